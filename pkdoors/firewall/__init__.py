"""
The firewalls that doors are made of: each is an L{interface.IFirewall}, and L{stack} joins them.
"""
