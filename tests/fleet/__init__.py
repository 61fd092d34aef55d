"""Tests of L{pkdoors.fleet}."""
