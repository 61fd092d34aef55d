"""Tests of L{pkdoors.install.trials}."""
