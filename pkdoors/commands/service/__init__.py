"""Commands for the daemon as a service: how it is installed, started and removed."""
