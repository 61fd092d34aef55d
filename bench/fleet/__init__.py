"""What a fleet takes: how late an inner host opens, and what a knock costs with many hosts."""
