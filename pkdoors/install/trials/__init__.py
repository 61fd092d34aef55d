"""A trial of the daemon: everything is taken back after a while, unless somebody keeps it."""
