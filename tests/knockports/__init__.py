"""Tests of L{pkdoors.knockports}."""
