"""The parts of L{tests.soak}."""
