"""Makes the daemon a service of systemd (L{installer}), and takes it away (L{release})."""
