"""What the operating system reports, and what the daemon needs from it."""
