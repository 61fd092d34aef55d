"""
The process of C{pkdoors daemon} and C{twistd pkdoors}: its options, reactor, signals, log, limits
and memory. The service itself changes none of these: an application can embed it, and keep its own.
"""
