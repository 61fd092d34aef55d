"""Tests of L{pkdoors.client}."""
