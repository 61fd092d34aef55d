"""C{pkdoors init}: makes a configuration for the daemon, and the client's part."""
