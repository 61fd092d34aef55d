"""What C{pkdoors check} looks at, and what it makes of it."""
