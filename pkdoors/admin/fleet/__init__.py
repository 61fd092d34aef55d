"""
The lesser socket: HTTP with JSON on a UNIX socket, for the process that connects this host with the
others of its fleet. It hands in and gets seals, and can read the daemon's state; it has no right to
open, to close or to reload. L{fleetsocket} listens. Nothing here is loaded unless a door is
C{fleet = true}.
"""
