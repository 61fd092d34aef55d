"""Tests of L{pkdoors.commands.setup}."""
