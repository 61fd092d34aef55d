"""Tests of L{pkdoors.util}."""
