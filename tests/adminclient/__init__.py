"""Tests of L{pkdoors.adminclient}."""
