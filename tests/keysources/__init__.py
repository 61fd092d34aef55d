"""Tests of L{pkdoors.keysources}."""
