"""The parts of L{bench.soak}."""
