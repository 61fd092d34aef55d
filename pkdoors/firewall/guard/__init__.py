"""The guard: the rules and sets that keep protected ports closed. Pure."""
