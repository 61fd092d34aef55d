"""
Tests of L{pkdoors.adminclient.responses}, L{pkdoors.adminclient._sse} and L{pkdoors.admin.records}.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin._recording import recordCounters, recordDoors, recordOpenings
from pkdoors.admin.records import (
    ClosedRecord,
    EventRecord,
    LazyRecords,
    OpenedRecord,
    ReloadedRecord,
    StatusRecord,
    keysOf,
    simplify,
)
from pkdoors.adminclient._sse import readEvents
from pkdoors.adminclient.responses import cleanText, readRecord
from pkdoors.doorkeeper.openings.state import Count, OpeningStatus, Page, Snapshot
from pkdoors.errors import AskError
from pkdoors.events.counters import Counters
from pkdoors.events.event import KINDS, OPENED, Event, fields
from pkdoors.model.doors import Opening
from pkdoors.model.principal import Principal
from tests.fakes import doors as fakedoors
from tests.fakes.admin import FakeAdmin, makeEvent, makeOpening

JUNK: tuple[Any, ...] = (None, "x", -1, 1.5, True, [], {}, [[]], [None], {"x": []})


def damage(answer: Any) -> Iterator[Any]:
    """Yield copies of an answer, each with one of its values replaced by junk, or removed."""
    yield from JUNK
    for key in list(answer) if isinstance(answer, dict) else range(len(answer)):
        if isinstance(answer, dict):
            yield {other: value for other, value in answer.items() if other != key}
        isNested = isinstance(answer[key], dict | list)
        for value in damage(answer[key]) if isNested else iter(JUNK):
            copy = deepcopy(answer)
            copy[key] = value
            yield copy


class RecordTests(SynchronousTestCase):
    """Tests of L{readRecord}."""

    def makeStatus(self) -> StatusRecord:
        """Return a status as the daemon makes it."""
        opening = fakedoors.makeOpening("2001:db8::7", deadline=42.0, name="ssh")
        who = Principal("anna@laptop", "SHA256:abc")
        opening = Opening(opening.door, opening.source, opening.deadline, who)
        ssh = fakedoors.makeDoor(name="ssh")
        web = fakedoors.makeDoor(name="web", ports="80,443", authorizedKeys="/k")
        openings = (OpeningStatus(opening, 42.0, "no such zone"),)
        counts = {"ssh": Count(1, 0, 0), "web": Count(0, 0, 0)}
        state = Snapshot(30.0, 1e9, (ssh, web), counts, {})
        counters = Counters()
        counters.knocks["request"] = 7
        return StatusRecord(
            version="1.2",
            uptime=3.5,
            firewall="nftables",
            troubles=["a port is\x1b busy"],
            doors=recordDoors(state),
            openings=recordOpenings(Page(openings, 7), state),
            counters=recordCounters(counters),
            listen="capture",
            total=7,
            next="42.0:1",
        )

    def test_status(self) -> None:
        """A command reads the status that the daemon writes."""
        status = readRecord(StatusRecord, write(self.makeStatus()))
        self.assertEqual(("1.2", 3.5), (status.version, status.uptime))
        self.assertEqual(("capture", 7, "42.0:1"), (status.listen, status.count(), status.next))
        self.assertEqual(("nftables", 7), (status.firewall, status.counters.knocks["request"]))
        self.assertEqual(("a port is? busy",), status.troubles)
        self.assertEqual([("22/tcp",), ("80/tcp", "443/tcp")], [d.ports for d in status.doors])
        self.assertEqual(["sequence", "sealed"], [door.lock for door in status.doors])
        self.assertEqual([1, 0], [door.openings for door in status.doors])
        (found,) = status.openings
        self.assertEqual(("ssh", "2001:db8::7"), (found.door, found.source))
        self.assertEqual((True, 12.0, "anna@laptop"), (found.isOpen, found.secondsLeft, found.who))
        self.assertEqual((("22/tcp",), "no such zone"), (found.ports, found.trouble))
        self.assertEqual(datetime.fromtimestamp(1e9 + 12, UTC), found.until)

    def test_again(self) -> None:
        """What is read and written again is the same JSON."""
        answer = {**write(self.makeStatus()), "troubles": []}
        self.assertEqual(answer, write(readRecord(StatusRecord, answer)))

    def test_newer(self) -> None:
        """Keys that a newer daemon adds are ignored."""
        readRecord(StatusRecord, {**write(self.makeStatus()), "new": {"a": 1}})

    def test_events(self) -> None:
        """A command reads each kind of event that the daemon writes, and all of its keys."""
        for kind in KINDS:
            who = Principal("", "SHA256:abc")
            event = Event(kind, 1e9, fakedoors.makeDoor(), "192.0.2.7", 30.0, who, "why")
            answer = fields(event)
            self.assertEqual([*keysOf(EventRecord).values()], [*answer])
            self.assertEqual(answer, write(readRecord(EventRecord, answer)))

    def test_others(self) -> None:
        """A command reads the answers to C{open}, C{close} and C{reload}."""
        opening, other = makeOpening("192.0.2.7"), makeOpening("192.0.2.8")
        self.assertEqual("192.0.2.7", readRecord(OpenedRecord, {"opening": opening}).opening.source)
        answer = readRecord(
            ClosedRecord, {"closed": [opening], "closing": [{**other, "shut": True}]}
        )
        (closed,), (closing,) = answer.closed, answer.closing
        self.assertEqual(("192.0.2.7", "192.0.2.8"), (closed.source, closing.source))
        self.assertTrue(closing.isShut)
        reloaded = readRecord(ReloadedRecord, {"changes": ["a"], "troubles": ["b"]})
        self.assertEqual(ReloadedRecord(("a",), ("b",)), reloaded)

    def test_damaged(self) -> None:
        """A damaged answer is read, or refused with a sentence; no other error is raised."""
        admin = FakeAdmin()
        admin.openings = [makeOpening("192.0.2.7")]
        closing = makeOpening("192.0.2.8", shut=True)
        kinds: tuple[tuple[type[Any], Any], ...] = (
            (StatusRecord, admin.status()),
            (OpenedRecord, {"opening": makeOpening("192.0.2.7")}),
            (ClosedRecord, {"closed": [makeOpening("192.0.2.7")], "closing": [closing]}),
            (ReloadedRecord, {"changes": ["a"], "troubles": []}),
            (EventRecord, makeEvent(OPENED)),
        )
        for kind, answer in kinds:
            readRecord(kind, answer)
            refused = 0
            for damaged in damage(answer):
                try:
                    readRecord(kind, damaged)
                except AskError as error:
                    self.assertIn("cannot understand", str(error))
                    refused += 1
            self.assertGreater(refused, 10, kind)

    def test_huge(self) -> None:
        """A number that a float cannot hold is refused, too."""
        answer = {"opening": makeOpening("192.0.2.7", seconds_left=10**400)}
        self.assertRaises(AskError, readRecord, OpenedRecord, answer)

    def test_harmless(self) -> None:
        """No name can steer the terminal."""
        bad = "a\x1b[2Jb\nc\u202ed\x9b"
        self.assertEqual("a?[2Jb?c?d?", cleanText(bad))
        answer = {"opening": makeOpening("192.0.2.7", user=bad, trouble=bad)}
        found = readRecord(OpenedRecord, answer).opening
        self.assertEqual((cleanText(bad), cleanText(bad)), (found.who, found.trouble))

    def test_lazy(self) -> None:
        """Records that are made when they are taken can be counted, and looked for, before."""
        made: list[int] = []

        def make(number: int) -> int:
            made.append(number)
            return -number

        records = LazyRecords(make, [1, 2])
        self.assertEqual((2, []), (len(records), made))
        self.assertTrue(-2 in records and 2 not in records)


def write(record: object) -> Any:
    """Return the JSON of a record, as a program gets it."""

    def convert(value: object) -> Any:
        return list(value) if isinstance(value, LazyRecords) else simplify(value)

    return json.loads(json.dumps(record, default=convert))


class EventStreamTests(SynchronousTestCase):
    """Tests of L{readEvents}."""

    def read(self, text: bytes) -> list[Any]:
        """Return the events of a stream."""
        return list(readEvents(text.splitlines(keepends=True)))

    def test_events(self) -> None:
        """Each event ends with an empty line."""
        self.assertEqual([{"a": 1}, [2]], self.read(b'event: x\ndata: {"a": 1}\n\ndata:[2]\n\n'))

    def test_spelling(self) -> None:
        """Comments, other fields, several lines of data and other line ends are allowed."""
        text = b': hello\r\n\r\nid: 1\r\nretry: 9\r\ndata: {"a":\r\ndata: 1}\r\n\r\n\r\n'
        self.assertEqual([{"a": 1}], self.read(text))

    def test_atOnce(self) -> None:
        """An event is yielded as soon as the line comes that ends it."""

        def lines() -> Iterator[bytes]:
            yield b"data: 1\n"
            yield b"\n"
            raise AssertionError("read on")

        self.assertEqual(1, next(readEvents(lines())))

    def test_cutOff(self) -> None:
        """An event that is cut off is left out."""
        self.assertEqual([1], self.read(b"data: 1\n\ndata: 2\n"))

    def test_junk(self) -> None:
        """Data that is not JSON is an error."""
        for junk in (b"x", b"{", b"\xff", b"[" * 100_000):
            self.assertRaises(AskError, self.read, b"data: " + junk + b"\n\n")
