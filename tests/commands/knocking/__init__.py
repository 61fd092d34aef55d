"""Tests of L{pkdoors.commands.knocking}."""
