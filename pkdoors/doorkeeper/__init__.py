"""
Openings and their deadlines: the L{doorkeeper} owns both, and L{control} opens and closes doors on
request.
"""
