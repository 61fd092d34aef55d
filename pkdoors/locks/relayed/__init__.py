"""
What a fleet adds to sealed knocks: seals that other hosts have heard, orders, closings and bans.
Pure.

L{relayedlock}, L{orders} and L{memory} are its face.
"""
