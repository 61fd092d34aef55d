"""What happened (L{event}), who hears of it (L{publisher}), and how often (L{counters})."""
