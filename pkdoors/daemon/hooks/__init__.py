"""
The operator's programs that run when something happens at a door: L{hook} says which one runs for
an event, and what it gets, and L{runner} runs it.
"""
