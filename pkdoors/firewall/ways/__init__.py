"""The ways past a protected port: where the host's own rules forward ports to."""
