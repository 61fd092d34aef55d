"""Tests of L{pkdoors.commands.fleet}."""
