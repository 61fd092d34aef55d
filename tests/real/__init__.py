"""
Tests with the real parts: the kernel's firewall, firewalld, sshd, and C{twistd pkdoors} itself, on
hosts that are network namespaces, made for each test and removed after it.
"""
