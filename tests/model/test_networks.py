"""Tests of L{pkdoors.model.networks}."""

import random
from ipaddress import IPv6Address, ip_network

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.model.networks import PLACES, networkOf, placeOf, siteOf


class NetworksTests(SynchronousTestCase):
    """
    Tests of networks, sites and places.
    """

    def test_networks(self) -> None:
        """The network of an IPv6 address is its /64; an IPv4 address is its own network."""
        for source, network, site in (
            ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
            ("64:ff9b::c000:207", "64:ff9b::c000:207", "64:ff9b::c000:207"),
            ("64:ff9b:1::c000:207", "64:ff9b:1:0", "64:ff9b:1"),
            ("2001:db8::7", "2001:db8:0:0", "2001:db8:0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2", "2001:db8:1"),
            ("2001:db8:1::3:4:5:6", "2001:db8:1:0", "2001:db8:1"),
            ("fe80::1", "fe80:0:0:0", "fe80:0:0"),
            ("1::3:4:5:6:7", "1:0:0:3", "1:0:0"),
            ("::1", "0:0:0:0", "0:0:0"),
            ("::", "0:0:0:0", "0:0:0"),
            ("2001:db8:1:2::", "2001:db8:1:2", "2001:db8:1"),
        ):
            self.assertEqual((network, site), (networkOf(source), siteOf(networkOf(source))))

    def test_likeLibrary(self) -> None:
        """For any address in the kernel's notation the standard library gives the same network."""
        random_ = random.Random(20261127)
        for _ in range(2000):
            groups = [random_.choice((0, 0, 1, 0xDB8, 0xFFFF)) for _ in range(8)]
            source = str(IPv6Address(":".join(f"{each:x}" for each in groups)))
            (network,) = {
                ip_network(f"{networkOf(source)}::/64"),
                ip_network(f"{source}/64", False),
            }
            self.assertEqual(64, network.prefixlen)
            self.assertEqual(
                ip_network(f"{source}/48", False), ip_network(f"{siteOf(networkOf(source))}::/48")
            )

    def test_places(self) -> None:
        """A network has a fixed number of places; an IPv4 address is its own place."""
        for each in ("192.0.2.7", "64:ff9b::c000:207"):
            self.assertEqual(each, placeOf(each, networkOf(each)))
        places = {placeOf(f"2001:db8::{n:x}", "2001:db8:0:0") for n in range(1, 20_000)}
        self.assertEqual(PLACES, len(places))
        self.assertNotIn(placeOf("2001:db8:0:1::1", "2001:db8:0:1"), places)
