"""Read and write files safely, although others may have prepared or may change them."""
