"""The SSH keys that seal knocks, from files or from the agent: L{signers} and L{passphrase}."""
