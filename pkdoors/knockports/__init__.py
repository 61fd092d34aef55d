"""
Where the daemon hears knocks: L{knockports} owns the sockets, L{plan} lists those that are needed,
L{search} opens them, and L{lossalarm} warns of knocks that were lost.
"""
