"""
The fleet's process, between the daemon and the engine: L{service} runs it, and L{daemonlink} talks
with the daemon.
"""
