"""Tests of the manual, and of what builds it."""
