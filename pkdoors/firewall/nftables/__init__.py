"""
The guard in the kernel: L{firewall} opens and closes doors, L{table} replaces the rules, and
L{standalone} is for processes other than the daemon.
"""
