"""Tests of L{pkdoors.host.gateways}."""

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host import gateways
from pkdoors.host.gateways import findGateways

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth0\t0000000A\t0201A8C0\t0003\t0\t0\t100\t000000FF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t200\t00000000\t0\t0\t0
"""
ANY = "0" * 32
ROUTES6 = f"""\
20010db8000000000000000000000000 40 {ANY} 00 {ANY} 00000100 00000001 00000000 00000001 eth0
{ANY} 00 {ANY} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0
{ANY} 00 {ANY} 00 {ANY} ffffffff 00000001 00000000 00200200 lo
"""


class FindTests(SynchronousTestCase):
    """Tests of L{findGateways}."""

    def setUp(self) -> None:
        """Make the kernel's lists."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.files = folder / "route", folder / "ipv6_route"
        self.patch(gateways, "ROUTES", self.files)

    def test_both(self) -> None:
        """Those of default routes are found, of both families; other routes do not count."""
        if sys.byteorder != "little":
            self.skipTest("the examples are of a little-endian machine")
        for file, text in zip(self.files, (ROUTES, ROUTES6), strict=True):
            file.write_text(text)
        self.assertEqual({"192.168.1.1", "fe80::1"}, findGateways())

    def test_missing(self) -> None:
        """A host without IPv6, or without /proc, has none."""
        self.assertEqual(set(), findGateways())

    def test_here(self) -> None:
        """What this kernel lists can be read."""
        self.patch(gateways, "ROUTES", tuple(Path(f"/proc/self/net/{f.name}") for f in self.files))
        findGateways()
