"""Tests of L{pkdoors.web}."""
