"""Tests of pkdoors. Those in L{tests.real} need root; all others need nothing."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
