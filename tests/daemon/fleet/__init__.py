"""Tests of L{pkdoors.daemon.fleet}."""
