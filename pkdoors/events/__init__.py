"""Events (L{event}), their publisher (L{publisher}), and how often each happened (L{counters})."""
