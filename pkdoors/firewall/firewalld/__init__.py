"""firewalld, which lets an open door's packets through: L{firewall} talks to it."""
