"""
Where the keys come from that may seal knocks: files, folders of files, and a command that prints
them. Its face: L{pkdoors.keysources.sources}.
"""
