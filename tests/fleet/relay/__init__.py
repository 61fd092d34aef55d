"""Tests of L{pkdoors.fleet.relay}."""
