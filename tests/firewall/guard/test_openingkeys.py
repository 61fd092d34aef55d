"""Tests of L{pkdoors.firewall.guard.openingkeys}."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.openingkeys import identify, lookupKeys, openingKey, splitOpeningKey
from pkdoors.firewall.guard.openingsets import (
    Scope,
    onceSets,
    scopesOf,
)
from tests.fakes.doors import makeDoor, makeOpening

ANN = ip_address("203.0.113.9").packed


class LookupTests(SynchronousTestCase):
    """
    Tests of L{lookupKeys}.
    """

    def names(self, source: str = "203.0.113.9", **door: Any) -> list[tuple[str, int]]:
        """Return the sets in which an opening is looked up, and the ports."""
        keys = lookupKeys(makeOpening(source, **door))
        return [(name, int.from_bytes(key[-4:-2])) for name, key in keys]

    def test_ports(self) -> None:
        """Each port is an element; the ports of a range are a few blocks."""
        self.assertEqual([("tcp_open4", 22), ("tcp_open4", 80)], self.names(ports="22,80"))
        self.assertEqual([("tcp_open4", 3), ("tcp_open4_by4", 4)], self.names(ports="3-7"))
        self.assertEqual([("tcp_open6", 22)], self.names("2001:db8::7"))
        self.assertEqual([("tcp_open4_24_by16", 16)], self.names("10.0.0.0/24", ports="16-31"))
        self.assertLess(len(self.names(ports="1-16999")), 48)

    def test_key(self) -> None:
        """The key is the client and the first port."""
        self.assertEqual([("tcp_open4", ANN + b"\0\x16\0\0")], lookupKeys(makeOpening()))

    def test_udp(self) -> None:
        """Sets for UDP are those of the door's times, if it has any."""
        self.assertEqual([("udp_open4", 53)], self.names(ports="53/udp", cutSessions=True))
        name = "udp_open4_2500ms_60000ms"
        self.assertEqual([(name, 53)], self.names(ports="53/udp", udpIdle=2.5, udpMax=60.0))

    def test_once(self) -> None:
        """
        An opening for one connection is one element for all ports of its door; others say at which
        ports the client has any.
        """
        ssh, web = ((port).to_bytes(2) + bytes(2) for port in (22, 80))
        gates = [("tcp_gate4", ANN + ssh), ("tcp_gate4", ANN + web)]
        found = lookupKeys(makeOpening(ports="22,80", once=True))
        names = ("onceclients4", "onceblock3_4", "onceblock37_4", "default_once4")
        self.assertEqual([*gates, *((name, ANN) for name in names)], found)
        sets = {each.name for each in onceSets(makeDoor(once=True), scopesOf([], [Scope(4, 24)]))}
        self.assertEqual({"default_once4", "default_once4_24", "default_once6"}, sets)
        self.assertEqual([], onceSets(makeDoor(), scopesOf([])))

    def test_noPorts(self) -> None:
        """Nothing is looked up for a door without ports."""
        opening = makeOpening()
        for once in (False, True):
            door = replace(opening.door, ports=(), once=once)
            self.assertEqual([], lookupKeys(replace(opening, door=door)))


class IdentityTests(SynchronousTestCase):
    """
    Tests of L{openingKey} and L{identify}.
    """

    def test_back(self) -> None:
        """The key says the source, its length and the door."""
        for source, name, length in (("203.0.113.9", 4, 32), ("10.0.0.0/24", 4, 24)):
            opening = makeOpening(source)
            found, key = openingKey(opening)
            self.assertEqual(f"openings{name}", found)
            first = ip_address(source.partition("/")[0]).packed
            self.assertEqual((first, identify(opening.door), length), splitOpeningKey(key))
        _, key = openingKey(makeOpening("2001:db8::7"))
        self.assertEqual((24, 128), (len(key), splitOpeningKey(key)[2]))

    def test_known(self) -> None:
        """A door is recognized by its name, its ports and how often it lets in."""
        same = makeDoor((1, 2, 3, 4, 5), openFor=7.0, cutSessions=True)
        self.assertEqual(identify(makeDoor()), identify(same))
        for other in (
            makeDoor(name="web"),
            makeDoor(ports="22-23"),
            makeDoor(ports="22/udp"),
            makeDoor(once=True),
        ):
            self.assertNotEqual(identify(makeDoor()), identify(other))

    def test_order(self) -> None:
        """The order of its ports does not matter."""
        door = makeDoor(ports="22,53/udp")
        self.assertEqual(identify(door), identify(replace(door, ports=door.ports[::-1])))
