"""
A profile as other clients read it: L{pkdoors.client.export.formats} has them all. Two of them can
be read again, L{pkdoors.client.export.uri} and L{pkdoors.client.export.profiletext}.
"""
