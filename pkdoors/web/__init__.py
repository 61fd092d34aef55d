"""
The operator's page, while somebody looks at it: C{pkdoors web}. L{server} serves the page on the
loopback; what the page asks goes through C{channels} to this host or another one. The page itself
is in C{page/}.
"""
