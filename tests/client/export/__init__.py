"""Tests of L{pkdoors.client.export}."""
