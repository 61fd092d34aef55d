"""Tests of pkdoors. Those in L{tests.real} need root; all others need nothing."""
