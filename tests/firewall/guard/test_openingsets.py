"""Tests of L{pkdoors.firewall.guard.openingsets}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.openingsets import (
    Scope,
    UdpTimes,
    networkScopes,
    scopeOf,
    scopesOf,
    udpTimesOf,
)
from tests.fakes.doors import makeDoor, makeOpening


class ScopeTests(SynchronousTestCase):
    """
    Tests of L{Scope} and of what makes it.
    """

    def test_networks(self) -> None:
        """Each length has sets of its own, whose rules compare only as many bits."""
        for source, suffix, field in (
            ("203.0.113.9", "4", "ip saddr"),
            ("2001:db8::7", "6", "ip6 saddr"),
            ("203.0.113.0/24", "4_24", "ip saddr & 255.255.255.0"),
            ("10.0.0.0/9", "4_9", "ip saddr & 255.128.0.0"),
            ("2001:db8::/64", "6_64", "ip6 saddr & ffff:ffff:ffff:ffff::"),
            ("2001:db8::/127", "6_127", f"ip6 saddr & {'ffff:' * 7}fffe"),
        ):
            found = scopeOf(makeOpening(source).source)
            self.assertEqual((suffix, field), (found.suffix, found.field))

    def test_needed(self) -> None:
        """Openings for addresses need no more than there always is."""
        self.assertEqual(frozenset(), networkScopes([makeOpening(), makeOpening("2001:db8::7")]))
        needed = networkScopes(map(makeOpening, ("10.0.0.0/9", "10.128.0.0/9", "2001:db8::/64")))
        self.assertEqual({Scope(4, 9), Scope(6, 64)}, needed)

    def test_always(self) -> None:
        """Addresses, networks that keys open for, and networks that operators have opened."""
        grants = makeDoor(authorizedKeys="/keys", grant4=24)
        found = scopesOf([grants, makeDoor()], {Scope(6, 64), Scope(4, 24)})
        self.assertEqual((Scope(4, 32), Scope(4, 24), Scope(6, 128), Scope(6, 64)), found)


class UdpTimesTests(SynchronousTestCase):
    """
    Tests of L{UdpTimes}.
    """

    def test_none(self) -> None:
        """Sessions that end with the opening have no times."""
        self.assertIsNone(udpTimesOf(makeDoor(ports="53/udp", udpMax=0.0)))
        self.assertIsNone(udpTimesOf(makeDoor(ports="53/udp", cutSessions=True)))

    def test_notAnswered(self) -> None:
        """An unanswered datagram takes a part of the longest time, however short that is."""
        for idle, most, expected in ((180.0, 3600.0, 180.0), (180.0, 60.0, 30.0)):
            self.assertEqual(expected, UdpTimes(idle, most).new)
