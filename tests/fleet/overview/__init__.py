"""Tests of L{pkdoors.fleet.overview}."""
