"""Tests of L{pkdoors.doctor}."""
