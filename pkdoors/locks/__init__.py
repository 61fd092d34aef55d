"""What decides whether knocks open a door: L{lockset} takes a knock to each lock. Pure."""
