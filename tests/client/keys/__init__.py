"""Tests of L{pkdoors.client.keys}."""
