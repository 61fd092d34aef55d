"""
Events (L{event}), their publisher (L{publisher}), the latest of them (L{history}), and how often
each happened (L{counters}).
"""
