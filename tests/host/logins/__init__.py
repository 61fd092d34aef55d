"""Tests of L{pkdoors.host.logins}."""
