"""Tests of L{pkdoors.firewall.nftables.placing}."""
