"""Tests of L{pkdoors.config.foreign}."""
