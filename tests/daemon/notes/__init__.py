"""Tests of L{pkdoors.daemon.notes}."""
