"""Tests of L{pkdoors.adminclient.responses} and L{pkdoors.adminclient._sse}."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient._sse import readEvents
from pkdoors.adminclient.responses import (
    closedOf,
    happeningOf,
    openedOf,
    printable,
    reloadedOf,
    statusOf,
)
from pkdoors.doorkeeper.state import OpeningStatus, Snapshot, doorsOf, openingsOf
from pkdoors.errors import AskError
from pkdoors.events.counters import Counters
from pkdoors.events.event import KINDS, OPENED, Event, fields
from pkdoors.model.doors import Opening
from pkdoors.model.principal import Principal
from tests.fakes.admin import FakeAdmin, makeEvent, makeOpening
from tests.fakes.doors import makeDoor
from tests.fakes.doors import makeOpening as makeOwnOpening

JUNK: tuple[Any, ...] = (None, "x", -1, 1.5, True, [], {}, [[]], [None], {"x": []})


def damaged(answer: Any) -> Iterator[Any]:
    """The answer with each of its values replaced by junk, or taken away."""
    yield from JUNK
    for key in list(answer) if isinstance(answer, dict) else range(len(answer)):
        if isinstance(answer, dict):
            yield {other: value for other, value in answer.items() if other != key}
        below = damaged(answer[key]) if isinstance(answer[key], dict | list) else iter(JUNK)
        for each in below:
            copy = deepcopy(answer)
            copy[key] = each
            yield copy


class AnswerTests(SynchronousTestCase):
    """
    What is read of the daemon's answers.
    """

    def test_own(self) -> None:
        """What the daemon's own functions make is read."""
        opening: Opening = makeOwnOpening("2001:db8::7", deadline=42.0, name="ssh")
        who = Principal("anna@laptop", "SHA256:abc")
        standing = OpeningStatus(
            Opening(opening.door, opening.source, opening.deadline, who), 42.0, "no such zone"
        )
        doors = (makeDoor(name="ssh"), makeDoor(name="web", ports="80,443", authorizedKeys="/k"))
        state = Snapshot(30.0, 1e9, doors, (standing,), {})
        counters = Counters()
        counters.knocks["request"] = 7
        answer = {
            **{"version": "1.2", "uptime": 3.5, "firewall": "nftables"},
            "troubles": ["a port is\x1b busy"],
            **{"doors": doorsOf(state), "openings": [*openingsOf(state)]},
            "counters": counters.asJSON(),
        }
        status = statusOf(json.loads(json.dumps(answer)))
        self.assertEqual(("1.2", 3.5, "nftables", 7), (*_plain(status), status.knocks))
        self.assertEqual(("a port is? busy",), status.troubles)
        self.assertEqual(["22/tcp", "80/tcp,443/tcp"], [door.ports for door in status.doors])
        self.assertEqual(["sequence", "sealed"], [door.lock for door in status.doors])
        self.assertEqual([1, 0], [door.openings for door in status.doors])
        (found,) = status.openings
        self.assertEqual(("ssh", "2001:db8::7", "22/tcp"), (found.door, found.source, found.ports))
        self.assertEqual((True, 12.0, "anna@laptop"), (found.isOpen, found.secondsLeft, found.who))
        self.assertEqual("no such zone", found.trouble)
        self.assertEqual(datetime.fromtimestamp(1e9 + 12, UTC), found.until)

    def test_ownEvents(self) -> None:
        """Each kind of event that the daemon makes is read."""
        for kind in KINDS:
            event = Event(
                kind, 1e9, makeDoor(), "192.0.2.7", 30.0, Principal("", "SHA256:abc"), "why"
            )
            found = happeningOf(json.loads(json.dumps(fields(event))))
            self.assertEqual((kind, "default", "192.0.2.7"), (found.kind, found.door, found.source))
            self.assertEqual(("SHA256:abc", "why"), (found.who, found.reason))

    def test_others(self) -> None:
        """The answers to C{open}, C{close} and C{reload} are read."""
        opening, other = makeOpening("192.0.2.7"), makeOpening("192.0.2.8")
        self.assertEqual("192.0.2.7", openedOf({"opening": opening}).source)
        closed, closing = closedOf({"closed": [opening], "closing": [{**other, "shut": True}]})
        self.assertEqual(("192.0.2.7", "192.0.2.8"), (closed[0].source, closing[0].opening.source))
        self.assertTrue(closing[0].isShut)
        self.assertEqual((["a"], ["b"]), reloadedOf({"changes": ["a"], "troubles": ["b"]}))

    def test_damaged(self) -> None:
        """What is damaged anywhere is read, or refused with a sentence; nothing else is raised."""
        admin = FakeAdmin()
        admin.openings = [makeOpening("192.0.2.7")]
        cases: tuple[tuple[Callable[[object], Any], Any], ...] = (
            (statusOf, admin.status()),
            (openedOf, {"opening": makeOpening("192.0.2.7")}),
            (
                closedOf,
                {
                    "closed": [makeOpening("192.0.2.7")],
                    "closing": [makeOpening("192.0.2.8", shut=True)],
                },
            ),
            (reloadedOf, {"changes": ["a"], "troubles": []}),
            (happeningOf, makeEvent(OPENED)),
        )
        for read, answer in cases:
            read(answer)
            refused = 0
            for each in damaged(answer):
                try:
                    read(each)
                except AskError as error:
                    self.assertIn("cannot be understood", str(error))
                    refused += 1
            self.assertGreater(refused, 10, read)

    def test_harmless(self) -> None:
        """No name can steer the terminal."""
        bad = "a\x1b[2Jb\nc\u202ed\x9b"
        self.assertEqual("a?[2Jb?c?d?", printable(bad))
        found = openedOf({"opening": makeOpening("192.0.2.7", user=bad, trouble=bad)})
        self.assertEqual((printable(bad), printable(bad)), (found.who, found.trouble))


def _plain(status: Any) -> tuple[str, float, str]:
    return status.version, status.uptime, status.firewall


class EventStreamTests(SynchronousTestCase):
    """
    Tests of L{readEvents}.
    """

    def read(self, text: bytes) -> list[Any]:
        """What is in a stream."""
        return list(readEvents(text.splitlines(keepends=True)))

    def test_events(self) -> None:
        """Each event ends with an empty line."""
        self.assertEqual([{"a": 1}, [2]], self.read(b'event: x\ndata: {"a": 1}\n\ndata:[2]\n\n'))

    def test_spelling(self) -> None:
        """Comments, other fields, several lines of data and other line ends are allowed."""
        text = b': hello\r\n\r\nid: 1\r\nretry: 9\r\ndata: {"a":\r\ndata: 1}\r\n\r\n\r\n'
        self.assertEqual([{"a": 1}], self.read(text))

    def test_atOnce(self) -> None:
        """An event is there as soon as the line that ends it."""

        def lines() -> Iterator[bytes]:
            yield b"data: 1\n"
            yield b"\n"
            raise AssertionError("read on")

        self.assertEqual(1, next(readEvents(lines())))

    def test_cutOff(self) -> None:
        """What is not whole is no event."""
        self.assertEqual([1], self.read(b"data: 1\n\ndata: 2\n"))

    def test_junk(self) -> None:
        """Data that is no JSON is an error."""
        for junk in (b"x", b"{", b"\xff", b"[" * 100_000):
            self.assertRaises(AskError, self.read, b"data: " + junk + b"\n\n")
