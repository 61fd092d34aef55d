"""Tests of L{pkdoors.client.core}."""
