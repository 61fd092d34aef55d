"""
The channels to a host, which an L{adminside} opens: L{localside} on this host, L{remoteside}
through ssh, at whose far end L{relay} has the L{localside} of that host.
"""
