"""
Where the keys come from that may seal knocks, and those that may no longer: files that are read
again whenever they change.
"""
