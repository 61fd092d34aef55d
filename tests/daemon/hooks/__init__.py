"""Tests of L{pkdoors.daemon.hooks}."""
