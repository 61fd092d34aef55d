"""The firewalls that a door can be made of: each an L{pkdoors.interfaces.IFirewall}."""
