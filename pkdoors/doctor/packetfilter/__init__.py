"""Judges what other people's nftables rules do to a packet. Pure."""
