"""
The guard in the kernel: L{firewall} opens and closes doors, L{table} replaces the rules, and
L{standalone} is for processes other than the daemon. L{contents} reads and writes, and L{placing}
knows what is in place.
"""
