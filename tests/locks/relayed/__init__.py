"""Tests of L{pkdoors.locks.relayed}."""
