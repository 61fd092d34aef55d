"""The client's driver for commands that are over soon: a loop, and the standard library alone."""
