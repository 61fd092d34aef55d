"""Locks decide whether knocks open a door; L{lockset} passes a knock to each lock. Pure."""
