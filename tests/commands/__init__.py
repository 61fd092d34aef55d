"""Tests of L{pkdoors.commands}."""
