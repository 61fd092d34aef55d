"""Tests of L{pkdoors.firewall.openings}."""
