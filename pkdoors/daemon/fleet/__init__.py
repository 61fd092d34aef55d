"""
What the daemon does as one host of a fleet: L{fleet} is the component, L{outbox} holds what waits
for the fleet's process, L{inbox} works on what comes from there, and L{entries} reads it. Nothing
here is loaded unless a door is C{fleet = true}.
"""
