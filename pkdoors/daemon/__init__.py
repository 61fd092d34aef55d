"""
The daemon around the doorkeeper: L{service} starts and stops its components, L{reload} puts new
configurations in place, and L{process} is the process of C{twistd pkdoors}.
"""
