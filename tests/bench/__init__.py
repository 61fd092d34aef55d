"""Tests of L{bench}."""
