"""The guard in the kernel: L{firewall} opens and closes doors, L{table} replaces the rules."""
