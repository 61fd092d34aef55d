"""Hosts in network namespaces, and what acts there; tests and benchmarks share it."""
