"""Tests of L{pkdoors.firewall.guard.sets}."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.openingsets import isOpenings
from pkdoors.firewall.guard.sets import (
    MAX_ELEMENTS,
    MAX_SPARED,
    OVERDUE,
    aboutDoor,
    differs,
    hasUdpSessions,
    openingElement,
    parseOpening,
    secondsLeft,
    setName,
    setsFor,
    setsOf,
    spell,
)
from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.doors import Opening
from pkdoors.model.principal import MAX_COMMENT, Principal
from tests.fakes.doors import makeDoor, makeOpening
from tests.lab.properties import PROPERTY


class SetsTests(SynchronousTestCase):
    """
    Tests of L{setsFor} and L{setsOf}.
    """

    def own(self, **fields: Any) -> set[str]:
        """Return the names of a door's sets, without those of IPv6 and without the door's name."""
        names = setsOf(makeDoor(**fields))
        four = {name.removeprefix("default_") for name in names if not name.endswith("6")}
        six = {name.removeprefix("default_") for name in names if name.endswith("6")}
        self.assertEqual({name[:-1] for name in six}, {a[:-1] for a in four if a[-1] == "4"})
        return four

    def test_kinds(self) -> None:
        """A door has the sets that its rules need."""
        self.assertEqual({"open4"}, self.own())
        udp = {"ports": "53/udp"}
        self.assertEqual({"open4", "udp4", "udpmost4", "udpnew4"}, self.own(**udp))
        self.assertEqual({"open4"}, self.own(**udp, udpMax=0.0))
        self.assertEqual({"open4"}, self.own(**udp, cutSessions=True))

    def test_udpSessions(self) -> None:
        """Doors that keep sessions have sets for UDP if they have UDP ports."""
        cases: list[tuple[dict[str, Any], bool]] = [
            ({"ports": "22"}, False),
            ({"ports": "22,53/udp"}, True),
            ({"ports": "53/udp", "udpMax": 0.0}, False),
            ({"ports": "53/udp", "cutSessions": True}, False),
        ]
        for fields, expected in cases:
            self.assertIs(expected, hasUdpSessions(makeDoor(**fields)))

    def test_bounds(self) -> None:
        """All sets that packets fill are bounded, in number and in time."""
        for name, definition in setsFor([makeDoor(ports="22,53/udp")]).items():
            if "dynamic" in definition.definition:
                self.assertRegex(definition.definition, r"timeout \d+m?s; size \d+;", name)
                self.assertTrue(definition.timeout)

    def test_sizes(self) -> None:
        """So are openings; and flows that this host begins have room beside the spared ones."""
        found = setsFor([makeDoor()])
        for name, size in (("default_open6", MAX_ELEMENTS), ("spared4", MAX_SPARED)):
            self.assertIn(f" size {size};", found[name].definition)

    def test_times(self) -> None:
        """UDP's timeouts are those of the door."""
        found = setsOf(makeDoor(ports="53/udp", udpIdle=2.5, udpMax=60.0))
        self.assertIn("timeout 2500ms;", found["default_udp4"].definition)
        self.assertIn("timeout 60s;", found["default_udpmost6"].definition)
        self.assertEqual(
            (2.5, 60.0), tuple(found[f"default_{n}4"].timeout for n in ("udp", "udpmost"))
        )

    def test_notAnswered(self) -> None:
        """An unanswered datagram takes a part of the longest time, however short that is."""
        for idle, most, expected in ((180.0, 3600.0, 180.0), (180.0, 60.0, 30.0)):
            found = setsOf(makeDoor(ports="53/udp", udpIdle=idle, udpMax=most))
            self.assertEqual(expected, found["default_udpnew4"].timeout)

    def test_setOf(self) -> None:
        """Each door has a set of openings for each family."""
        self.assertEqual("default_open4", setName(makeOpening()))
        self.assertEqual("web_open6", setName(makeOpening("2001:db8::7", name="web")))
        self.assertTrue(isOpenings("web_open6"))
        self.assertFalse(isOpenings("sessions4") or isOpenings("open_knocks"))

    def test_spell(self) -> None:
        """Times are spelled in seconds or milliseconds."""
        self.assertEqual(["3s", "2500ms"], list(map(spell, (3.0, 2.5))))


class AboutDoorTests(SynchronousTestCase):
    """
    Tests of L{aboutDoor}.
    """

    def test_known(self) -> None:
        """A door is recognized by its name and its ports, not by how it opens."""
        same = makeDoor((1, 2, 3, 4, 5), openFor=7.0, cutSessions=True)
        self.assertEqual(aboutDoor(makeDoor()), aboutDoor(same))
        for other in (makeDoor(name="web"), makeDoor(ports="22-23"), makeDoor(ports="22/udp")):
            self.assertNotEqual(aboutDoor(makeDoor()), aboutDoor(other))

    def test_order(self) -> None:
        """The order of its ports does not matter."""
        door = makeDoor(ports="22,53/udp")
        self.assertEqual(aboutDoor(door), aboutDoor(replace(door, ports=door.ports[::-1])))

    def test_short(self) -> None:
        """The note fits into a comment, whatever the door."""
        many = ",".join(f"{n}/udp" for n in range(1, 2000, 2))
        self.assertLess(len(aboutDoor(makeDoor(ports=many, name="d" * 32))), 128)


class ElementTests(SynchronousTestCase):
    """
    An opening as an element.
    """

    def element(self, left: float, name: str = "") -> Element:
        """Return the element, at 500 s on the boot clock."""
        return openingElement(
            Opening(makeDoor(), ip_address("203.0.113.9"), 0.0, Principal(name)), left, 500.0
        )

    def test_element(self) -> None:
        """It has a timeout of its own; its comment names the principal and the end."""
        expected = Element(b"\xcb\x00\x71\x09", 30_500, comment="until=531 anna")
        self.assertEqual(expected, self.element(30.5, "anna"))
        self.assertEqual("until=531", self.element(30.5).comment)

    def test_longName(self) -> None:
        """The comment has the maximum length, whoever the principal is."""
        self.assertEqual(MAX_COMMENT, len(self.element(30.5, "a" * 500).comment))

    def test_noPorts(self) -> None:
        """The kernel keeps an opening of a door without ports for longer; its end is the same."""
        door = replace(makeDoor(), ports=())
        opening = Opening(door, ip_address("203.0.113.9"), 0.0)
        element = openingElement(opening, 30.0, 500.0)
        expected = 30_000 + round(1000 * OVERDUE), "until=530"
        self.assertEqual(expected, (element.timeout, element.comment))
        found = element._replace(expires=element.timeout)
        self.assertEqual(30.0, secondsLeft(found, 500.0))
        later = element._replace(expires=element.timeout - 100_000)
        self.assertEqual(-70.0, secondsLeft(later, 600.0))
        self.assertFalse(differs(element, found))

    def test_least(self) -> None:
        """A time that is over is not written as 0, which would mean for ever."""
        for left in (0.0, -5.0, 0.0001):
            self.assertEqual(1, self.element(left).timeout)

    def test_back(self) -> None:
        """The next daemon reads the element, with no more time than it had, by either clock."""

        @PROPERTY
        @given(st.floats(0.01, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.text(max_size=200))
        def check(left: float, passed: float, given: float, name: str) -> None:
            written = self.element(left, name)
            found = written._replace(expires=round(given * 1000))
            now = 500.0 + passed
            self.assertLessEqual(secondsLeft(found, now), left - passed + 1.001)
            self.assertLessEqual(secondsLeft(found, now), given + 0.001)
            opening = parseOpening(found, makeDoor(), 7.0)
            self.assertEqual(("203.0.113.9", 7.0), (str(opening.source), opening.deadline))
            if len(written.comment) < 100:
                self.assertEqual(Principal(Principal(name).asComment()), opening.who)

        check()

    def test_strange(self) -> None:
        """A comment that is not ours names the principal; then the kernel's time counts."""
        found = Element(b"\xcb\x00\x71\x09", 60_000, 42_000, "until=never anna")
        self.assertEqual(42.0, secondsLeft(found, 500.0))
        self.assertEqual("until=never anna", parseOpening(found, makeDoor(), 1.0).who.name)

    def test_differs(self) -> None:
        """The element is written again if its end or its principal has changed."""
        wanted = self.element(30.0, "anna")
        self.assertTrue(differs(wanted, None))
        for milliseconds, name, expected in (
            (30_000, "anna", False),
            (29_200, "anna", False),
            (30_800, "anna", False),
            (28_000, "anna", True),
            (32_000, "anna", True),
            (30_000, "eve", True),
        ):
            there = self.element(600.0, name)._replace(expires=milliseconds)
            self.assertIs(expected, differs(wanted, there))
