"""
The daemon around the doorkeeper: L{service} starts and stops its components, L{reload} changes
them.
"""
