"""Reads, writes and compares what the guard's table has in the kernel."""
