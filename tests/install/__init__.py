"""Tests of L{pkdoors.install}."""
