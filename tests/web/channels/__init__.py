"""Tests of L{pkdoors.web.channels}."""
