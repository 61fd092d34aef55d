"""Tests of L{pkdoors.events}."""
