"""
What the client does, without doing it: pure code that both drivers run, L{pkdoors.client.blocking}
with the standard library alone and L{pkdoors.client.reactor} with Twisted.
"""
