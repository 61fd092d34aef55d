"""Tests of L{pkdoors.doctor.fleet}."""
