"""Tests of L{pkdoors.firewall.firewalld}."""
