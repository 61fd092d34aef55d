"""Reads, compares and writes what the guard's table has in the kernel."""
