"""Tests of L{pkdoors.firewall.openings.elements}."""

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink.messages import Element
from pkdoors.firewall.openings.elements import (
    OVERDUE,
    differs,
    lookupElement,
    openingElement,
    parseOpening,
    secondsLeft,
)
from pkdoors.model.doors import Opening
from pkdoors.model.principal import MAX_COMMENT, Principal
from tests.fakes.doors import makeDoor
from tests.lab.properties import PROPERTY

ANN = ip_address("203.0.113.9").packed
KEY = ANN + bytes(8)


class ElementTests(SynchronousTestCase):
    """
    An opening as an element.
    """

    def element(self, left: float, name: str = "") -> Element:
        """Return the element, at 500 s on the boot clock."""
        opening = Opening(makeDoor(), ip_address("203.0.113.9"), 0.0, Principal(name))
        return openingElement(KEY, opening, left, 500.0)

    def test_element(self) -> None:
        """It has a timeout of its own; its comment names the principal and the end."""
        expected = Element(KEY, 30_500, comment="until=531 anna")
        self.assertEqual(expected, self.element(30.5, "anna"))
        self.assertEqual("until=531", self.element(30.5).comment)

    def test_longName(self) -> None:
        """The comment has the maximum length, whoever the principal is."""
        self.assertEqual(MAX_COMMENT, len(self.element(30.5, "a" * 500).comment))

    def test_noPorts(self) -> None:
        """The kernel keeps an opening of a door without ports for longer; its end is the same."""
        door = replace(makeDoor(), ports=())
        opening = Opening(door, ip_address("203.0.113.9"), 0.0)
        element = openingElement(KEY, opening, 30.0, 500.0)
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

    def test_lookup(self) -> None:
        """What packets are looked up in has the same time, and no comment."""
        self.assertEqual(Element(KEY, 30_500), lookupElement(KEY, 30.5))
        self.assertEqual(Element(KEY, 1), lookupElement(KEY, -3.0))

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
            opening = parseOpening(found, ANN, 32, makeDoor(), 7.0)
            self.assertEqual(("203.0.113.9", 7.0), (str(opening.source), opening.deadline))
            if len(written.comment) < 100:
                self.assertEqual(Principal(Principal(name).asComment()), opening.who)

        check()

    def test_strange(self) -> None:
        """A comment that is not ours names the principal; then the kernel's time counts."""
        found = Element(KEY, 60_000, 42_000, "until=never anna")
        self.assertEqual(42.0, secondsLeft(found, 500.0))
        self.assertEqual("until=never anna", parseOpening(found, ANN, 32, makeDoor(), 1.0).who.name)

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
