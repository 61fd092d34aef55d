"""
The admin interface: HTTP with JSON on a UNIX socket, for the operator; L{operations} does the work.
"""
