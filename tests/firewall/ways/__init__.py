"""Tests of L{pkdoors.firewall.ways}."""
