"""What real kernels answered, and the programs that record it."""
