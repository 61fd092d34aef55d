"""Openings in the kernel: L{elements} of sets, and a L{table} of those that exist."""
