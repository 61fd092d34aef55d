"""The ways past a protected port: the addresses to which the host's own rules forward it."""
