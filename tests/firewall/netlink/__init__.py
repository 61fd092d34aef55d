"""Tests of L{pkdoors.firewall.netlink}."""
