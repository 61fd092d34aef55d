"""Tests of L{pkdoors.files}."""
