"""Tests of L{pkdoors.model}."""
