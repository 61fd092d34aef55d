"""Tests of L{pkdoors.knocks}."""
