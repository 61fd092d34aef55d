"""Tests of L{pkdoors.doctor.packetfilter}."""
