"""Tests of L{pkdoors.config}."""
