"""The SSH keys that seal knocks: from files or from the agent."""
