"""Tests of L{pkdoors.locks}."""
