"""The client's driver for programs with a Twisted reactor, and for commands that run on."""
