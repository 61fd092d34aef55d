"""Tests of L{pkdoors.daemon}."""
