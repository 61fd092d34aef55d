"""Sealed knocks: the datagram, the keys, and the lock that they open."""
