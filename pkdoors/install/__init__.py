"""
Makes the daemon a service of systemd, or removes that (L{installer}); removes everything of pkdoors
from the firewall (L{release}); writes the client as one file (L{clientfile}).
"""
