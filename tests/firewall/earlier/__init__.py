"""Tests of L{pkdoors.firewall.guard}."""
