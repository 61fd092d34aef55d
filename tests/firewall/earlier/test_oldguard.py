"""Tests of L{pkdoors.firewall.earlier.oldguard}."""

import json
from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.earlier.oldguard import (
    OldSession,
    readLivingSessions,
    readOpenings,
    readProtected,
)
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.principal import NOBODY, Principal
from tests.fakes.doors import makeDoor


def listing(**sets: list[Any]) -> str:
    """Return a list as nft 1.0.6 prints it."""
    described: list[Any] = [{"metainfo": {"version": "1.0.6"}}, {"table": {"name": "pkdoors"}}]
    for name, elements in sets.items():
        described.append({"set": {"name": name, **({"elem": elements} if elements else {})}})
    return json.dumps({"nftables": described})


def element(address: str, expires: int) -> dict[str, Any]:
    """Return an element with a timeout."""
    return {"elem": {"val": address, "timeout": 60, "expires": expires}}


SSH = [{"concat": ["tcp", 22]}]


class ProtectedInTests(SynchronousTestCase):
    """
    Tests of L{readProtected}.
    """

    def test_found(self) -> None:
        """The protected ports are found, including ranges."""
        ports = [{"concat": ["tcp", {"range": [6000, 6010]}]}, {"concat": ["udp", 53]}]
        found = readProtected(listing(protected=ports, ssh_ports=SSH))
        self.assertEqual(parsePortRanges("6000-6010,53/udp"), tuple(found))

    def test_none(self) -> None:
        """A table without any protects nothing."""
        self.assertEqual([], readProtected(listing(ssh_ports=SSH)))


class OpeningsInTests(SynchronousTestCase):
    """
    Tests of L{readOpenings}.
    """

    def openings(self, text: str, **door: Any) -> dict[str, float]:
        """Return the source and the deadline of each opening found, at 100 s."""
        found = readOpenings(text, [makeDoor(**door)], 100.0)
        return {str(opening.source): opening.deadline for opening in found}

    def test_who(self) -> None:
        """The principal of an opening is in its comment."""
        known = element("203.0.113.9", 42)
        known["elem"]["comment"] = Principal("anna@laptop", "SHA256:abc").asComment()
        text = listing(default_ports=SSH, default_open4=[known, element("203.0.113.8", 9)])
        found = readOpenings(text, [makeDoor()], 100.0)
        self.assertEqual(
            [Principal("anna@laptop", "SHA256:abc"), NOBODY], [opening.who for opening in found]
        )

    def test_found(self) -> None:
        """Openings of both families are found, with the time that they have left."""
        text = listing(
            default_ports=SSH,
            default_open4=[element("203.0.113.9", 42), element("203.0.113.10", 7)],
            default_open6=[element("2001:db8::7", 1)],
        )
        self.assertEqual(
            {"203.0.113.9": 142.0, "203.0.113.10": 107.0, "2001:db8::7": 101.0},
            self.openings(text),
        )

    def test_ranges(self) -> None:
        """The ports may be ranges, and of both protocols."""
        ports = [{"concat": ["udp", 53]}, {"concat": ["tcp", {"range": [6000, 6010]}]}]
        text = listing(default_ports=ports, default_open4=[element("203.0.113.9", 42)])
        self.assertEqual({"203.0.113.9": 142.0}, self.openings(text, ports="6000-6010,53/udp"))

    def test_otherPorts(self) -> None:
        """An opening that was granted for other ports than the door has now is not kept."""
        text = listing(default_ports=SSH, default_open4=[element("203.0.113.9", 42)])
        for ports in ("22,80", "80", "22/udp", "22-23"):
            self.assertEqual({}, self.openings(text, ports=ports), ports)

    def test_otherDoor(self) -> None:
        """A door that does not exist any more has no openings."""
        text = listing(other_ports=SSH, other_open4=[element("203.0.113.9", 42)])
        self.assertEqual({}, self.openings(text))

    def test_capped(self) -> None:
        """No opening keeps more time than the door allows now."""
        text = listing(default_ports=SSH, default_open4=[element("203.0.113.9", 9999)])
        self.assertEqual({"203.0.113.9": 3700.0}, self.openings(text))

    def test_withoutEnd(self) -> None:
        """An opening without an end, or at its end, is not taken over."""
        text = listing(default_ports=SSH, default_open4=["203.0.113.9", element("203.0.113.8", 0)])
        self.assertEqual({}, self.openings(text))

    def test_noOpening(self) -> None:
        """
        Something that only looks like an opening raises one of a few errors or none; never another.
        """
        for inner in ("x", [1], None, 5, {"expires": 5, "val": ["a"]}, {"expires": "5", "val": 1}):
            text = listing(default_ports=SSH, default_open4=[{"elem": inner}])
            try:
                self.assertEqual({}, self.openings(text), inner)
            except (ValueError, LookupError, TypeError):
                pass
        for left in (-5, float("nan")):
            odd: Any = {"elem": {"val": "203.0.113.9", "expires": left, "comment": 7}}
            text = listing(default_ports=SSH, default_open4=[odd])
            self.assertEqual({}, self.openings(text), left)

    def test_empty(self) -> None:
        """An empty table is accepted."""
        self.assertEqual({}, self.openings(listing()))
        self.assertEqual({}, self.openings(listing(default_ports=SSH, default_open4=[])))


class LivingInTests(SynchronousTestCase):
    """
    Tests of L{readLivingSessions}.
    """

    def test_found(self) -> None:
        """Connections over both families are found."""
        text = listing(
            live4=[{"concat": ["203.0.113.9", 40001, 22]}],
            live6=[{"concat": ["2001:db8::7", 40002, 22]}, {"concat": ["2001:db8::8", 40003, 80]}],
            default_open4=[element("203.0.113.10", 42)],
        )
        self.assertEqual(
            [
                OldSession(ip_address("203.0.113.9"), 40001, 22),
                OldSession(ip_address("2001:db8::7"), 40002, 22),
                OldSession(ip_address("2001:db8::8"), 40003, 80),
            ],
            readLivingSessions(text),
        )

    def test_empty(self) -> None:
        """A table without connections is accepted, even without the sets for them."""
        self.assertEqual([], readLivingSessions(listing(live4=[], live6=[])))
        self.assertEqual([], readLivingSessions(listing(default_ports=SSH)))
