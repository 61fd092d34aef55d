"""Tests of L{pkdoors.doorkeeper.openings}."""
