"""Tests of L{pkdoors.doorkeeper}."""
