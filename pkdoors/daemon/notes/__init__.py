"""
The notes that a daemon leaves to the next one. L{replayfile} has the sealed knocks that it saw,
L{ordersfile} the orders of a fleet, and L{replaycare} is for the time while no daemon runs.
"""
