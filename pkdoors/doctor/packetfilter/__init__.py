"""
Judges what other people's nftables rules do with a packet that has not come yet (L{verdicts}).
Pure.
"""
