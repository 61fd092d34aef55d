"""C{pkdoors check}: L{check} takes facts of this host to judges, which return findings."""
