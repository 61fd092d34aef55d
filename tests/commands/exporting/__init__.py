"""Tests of L{pkdoors.commands.exporting}."""
