"""Tests of L{pkdoors.admin.fleet}."""
