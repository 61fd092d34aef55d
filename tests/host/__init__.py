"""Tests of L{pkdoors.host}."""
