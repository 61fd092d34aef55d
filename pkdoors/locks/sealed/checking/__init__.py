"""
Sealed knocks on their way to a check: what has not reached all ports, what waits, and the budget.

L{checks} and L{arrivals} are its face.
"""
