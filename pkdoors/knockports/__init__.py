"""Where knocks are heard: L{knockports} owns the sockets, L{listener} knows which are needed."""
