"""The lock that sealed knocks open, its keys, and its memory of used seals. Pure."""
