"""The nouns of pkdoors as values: doors and openings, ports, addresses, sequences. Pure."""
