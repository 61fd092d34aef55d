"""Tests of L{pkdoors.locks.sealed.checking}."""
