"""
Asks a running daemon, and shows its answers. L{client} asks, L{location} finds the daemon's socket,
and L{responses} reads the answers; the other modules show them.
"""
