"""How users log in to this host: what sshd is set to, and the users' own files."""
