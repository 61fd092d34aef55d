"""Tests of L{pkdoors.client.reactor}."""
