"""firewalld, which must let the packets of an open door through: L{firewall} makes it do so."""
