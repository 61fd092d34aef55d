"""
The admin interface: HTTP with JSON on a UNIX socket, for the operator. Others use L{unixsocket},
which listens, L{operations}, which does the work, and L{records}, the JSON of the answers.
"""
