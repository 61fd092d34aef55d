"""
The guard in the kernel: L{firewall} opens and closes doors, L{table} is the guard's table, and
L{standalone} is for processes other than the daemon. L{contents} reads and writes the table,
L{placing} changes and heals the guard.
"""
