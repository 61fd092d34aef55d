"""Tests of L{pkdoors.admin}."""
