"""Reading and writing files that others may have prepared or may change."""
