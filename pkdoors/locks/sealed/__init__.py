"""The lock that opens to sealed knocks, its keys, and its memory of used seals. Pure."""
