"""
The operator's page, while somebody looks at it: C{pkdoors web}. L{server} serves the page on the
loopback, and what it asks goes through the channels of an L{adminside}: of this host (L{localside})
or of another one, through ssh (L{remoteside}, and there L{relay}). The page itself is in C{page/}.
"""
