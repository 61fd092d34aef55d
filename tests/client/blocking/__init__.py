"""Tests of L{pkdoors.client.blocking}."""
