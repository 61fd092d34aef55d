"""Tests of L{pkdoors.firewall}."""
