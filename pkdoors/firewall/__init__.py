"""The firewalls that a door is made of: each is an L{interface.IFirewall}; L{stack} joins them."""
