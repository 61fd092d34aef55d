"""
Load on a daemon: knocks and floods from any number of addresses, and requests to its admin socket.
"""
