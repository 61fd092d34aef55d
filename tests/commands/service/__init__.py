"""Tests of L{pkdoors.commands.service}."""
