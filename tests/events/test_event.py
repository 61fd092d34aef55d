"""Tests of L{pkdoors.events.event} and L{pkdoors.events.publisher}."""

import json
from dataclasses import replace

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.events.event import (
    CLOSED,
    ERRORS,
    HEALED,
    KINDS,
    OPENED,
    REFUSED,
    TIME_OVER,
    USED,
    WARNINGS,
    Event,
    fields,
    formatISOTime,
    sentence,
)
from pkdoors.events.history import PastEvent
from pkdoors.events.publisher import EventPublisher
from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log, useUTC

ANN = "192.0.2.7"
TODAY = 1_795_420_800.0  # 2026-11-23T08:00:00Z
HOSTILE = "a\nb\r\x1b[2J\x00\x85\u2028\udc80{door} é"
"""A key's comment, as an attacker would write it."""


class EventTests(SynchronousTestCase):
    """
    Tests of L{sentence} and L{fields}.
    """

    def setUp(self) -> None:
        """Make a door."""
        useUTC(self)
        self.door = makeDoor(name="ssh", ports="22,51820/udp")

    def event(self, kind: str, **details: object) -> Event:
        """Return an event with a value in every field."""
        everything = {
            "door": self.door,
            "source": ANN,
            "seconds": 30.25,
            "who": Principal("anna", "SHA256:x"),
            "reason": "of it",
            "cause": "nft did it",
            "firewall": "nftables",
            "leftOut": 2,
        }
        return Event(kind, TODAY, **(everything | details))  # type: ignore[arg-type]

    def test_oneLeftOut(self) -> None:
        """One line is one, not several."""
        line = sentence(replace(self.event("refused"), leftOut=1))
        self.assertTrue(line.endswith("of it (1 more line like this left out)"), line)

    def test_sentences(self) -> None:
        """Each kind of event has its own sentence."""
        door, until = "door ssh (22/tcp,51820/udp)", "2026-11-23 08:00:30 (30s)"
        anna = "by anna (SHA256:x)"
        self.assertEqual(
            {
                "guarding": f"guarding {door} with nftables: of it",
                "stopped": f"stopped; {door} of it",
                "opened": f"opened {door} for {ANN} until {until}, {anna}",
                "extended": f"extended {door} for {ANN} until {until}, {anna}",
                "taken-over": f"took over {door} for {ANN} until {until}, {anna}",
                "shortened": f"shortened of it: {door} for {ANN} until {until}, {anna}",
                "closed": f"closed {door} for {ANN}, of it",
                "used": f"{door} for {ANN} is used up: its one connection has begun",
                "unopened": f"{door} never opened for {ANN}: of it",
                "refused": f"refused {door} for {ANN}: of it (2 more lines like this left out)",
                "unfinished": f"{door} stays closed for {ANN}: of it "
                "(2 more lines like this left out)",
                "guessing": "somebody may be guessing the order of the knock ports of "
                f"{door}: of it",
                "open-failed": f"cannot open {door} for {ANN}, retrying: of it "
                "(2 more lines like this left out)",
                "close-failed": f"cannot close {door} for {ANN}, retrying: of it "
                "(2 more lines like this left out)",
                "healed": "nft did it: restored the rules of pkdoors in nftables "
                "(2 more lines like this left out)",
                "heal-failed": "nft did it: cannot restore the rules of pkdoors in nftables, "
                "retrying: of it",
                "reloaded": "reloaded: of it",
                "reload-refused": "not reloaded, and nothing was changed: of it",
                "ordered": f"order to the fleet, {anna}: of it",
                "order-refused": f"refused an order to the fleet, {anna}: of it "
                "(2 more lines like this left out)",
            },
            {kind: sentence(self.event(kind)) for kind in KINDS},
        )

    def test_bare(self) -> None:
        """A sentence leaves out what the event does not have."""
        bare = {"who": NOBODY, "reason": TIME_OVER, "cause": "", "leftOut": 0}
        self.assertEqual(
            [
                "opened door ssh (22/tcp,51820/udp) for 192.0.2.7 until 2026-11-23 08:00:30 (30s)",
                "closed door ssh (22/tcp,51820/udp) for 192.0.2.7",
                "restored the rules of pkdoors in nftables",
            ],
            [sentence(self.event(kind, **bare)) for kind in (OPENED, CLOSED, HEALED)],
        )

    def test_fields(self) -> None:
        """Programs get each field, and the sentence."""
        event = self.event(OPENED)
        self.assertEqual(
            {
                "time": "2026-11-23T08:00:00.000Z",
                "event": "opened",
                "door": "ssh",
                "source": ANN,
                "ports": ["22/tcp", "51820/udp"],
                "seconds": 30.25,
                "user": "anna",
                "key": "SHA256:x",
                "asked_from": "",
                "via": "",
                "reason": "of it",
                "text": sentence(event),
            },
            fields(event),
        )

    def test_allFields(self) -> None:
        """All keys are always present, with values of the same types."""
        types = {key: type(value) for key, value in fields(self.event(OPENED)).items()}
        for kind in KINDS:
            for event in (Event(kind, 0.0), self.event(kind)):
                found = {key: type(value) for key, value in fields(event).items()}
                self.assertEqual(types, found)

    def test_cause(self) -> None:
        """The reason of a healing is its cause."""
        self.assertEqual("nft did it", fields(self.event(HEALED, reason=""))["reason"])

    def test_hostile(self) -> None:
        """Any name or reason gives one line that cannot control a terminal."""
        for kind in KINDS:
            event = self.event(
                kind,
                who=Principal(HOSTILE, "SHA256:x"),
                reason=HOSTILE,
                cause=HOSTILE,
                firewall=HOSTILE,
            )
            self.assertTrue(sentence(event).isprintable(), sentence(event))
            text = json.dumps(fields(event))
            self.assertTrue(text.isascii() and text.isprintable(), text)
            self.assertEqual(HOSTILE, json.loads(text)["user"])
        line = sentence(self.event(REFUSED, reason=HOSTILE))
        self.assertIn(r"a\nb\r\x1b[2J\x00\x85\u2028\udc80{door} é (2 more", line)

    def test_levels(self) -> None:
        """The kinds are distinct, and only they have levels."""
        self.assertEqual(set(), (WARNINGS | ERRORS) - set(KINDS))
        self.assertEqual(len(KINDS), len(set(KINDS)))

    def test_isoTime(self) -> None:
        """Times are in UTC, to the millisecond, even for a whole second."""
        self.assertEqual("2026-11-23T08:00:00.000Z", formatISOTime(TODAY))
        self.assertEqual("2026-11-23T08:00:00.250Z", formatISOTime(TODAY + 0.25))


class PublisherTests(SynchronousTestCase):
    """
    Tests of L{EventPublisher}.
    """

    def setUp(self) -> None:
        """Make a publisher."""
        self.log = Log(self)
        self.publisher = EventPublisher(lambda: TODAY)
        self.heard: list[tuple[str, Event]] = []
        self.door: Door = makeDoor()

    def subscribe(self, name: str) -> None:
        """Subscribe somebody."""
        self.publisher.subscribe(lambda event: self.heard.append((name, event)))

    def publish(self, kind: str = OPENED) -> None:
        """Publish an event."""
        self.publisher.publish(kind, door=self.door, source=ANN)

    def test_all(self) -> None:
        """Each event reaches all subscribers, in the order of subscription, with its time."""
        self.subscribe("a")
        self.subscribe("b")
        self.publish()
        event = Event(OPENED, TODAY, self.door, ANN)
        self.assertEqual([("a", event), ("b", event)], self.heard)

    def test_raises(self) -> None:
        """A subscriber that raises keeps no event from the others."""

        def fail(event: Event) -> None:
            raise ValueError("oops")

        self.subscribe("a")
        self.publisher.subscribe(fail)
        self.subscribe("b")
        self.publish()
        self.publish()
        self.assertEqual(["a", "b", "a", "b"], [name for name, _ in self.heard])
        self.assertEqual(2, len(self.flushLoggedErrors(ValueError)))

    def test_end(self) -> None:
        """A subscriber that unsubscribes hears no more events; the others do."""
        end = self.publisher.subscribe(lambda event: self.heard.append(("a", event)))
        self.subscribe("b")
        end()
        self.publish()
        self.assertEqual(["b"], [name for name, _ in self.heard])

    def test_endWhileHearing(self) -> None:
        """Unsubscribing during an event takes that event from nobody."""

        def once(event: Event) -> None:
            self.heard.append(("once", event))
            end()

        end = self.publisher.subscribe(once)
        self.subscribe("b")
        self.publish()
        self.publish()
        self.assertEqual(["once", "b", "b"], [name for name, _ in self.heard])

    def test_follow(self) -> None:
        """
        Followers hear all events in the order of the history, even if a subscriber publishes one
        in the middle of another; one that fails keeps no event from the others.
        """
        told: list[PastEvent] = []

        def fail(event: PastEvent) -> None:
            raise ValueError("oops")

        self.publisher.follow(fail)
        end = self.publisher.follow(told.append)
        self.publisher.subscribe(lambda event: self.publish(USED) if event.kind == OPENED else None)
        self.publish(OPENED)
        self.assertEqual([OPENED, USED], [event.kind for event in told])
        self.assertEqual(told, self.publisher.history.last(9))
        end()
        self.publish(CLOSED)
        self.assertEqual(2, len(told))
        self.assertEqual(3, len(self.flushLoggedErrors(ValueError)))

    def test_log(self) -> None:
        """Each event is a line in the log, at its level, whatever it holds."""
        self.publisher.publish(OPENED, door=self.door, source=ANN, who=Principal("{x} 100%\n"))
        self.publisher.publish(HEALED, firewall="nftables")
        for kind in sorted(ERRORS):
            self.publish(kind)
        self.assertEqual(["info", "warn", *(["error"] * len(ERRORS))], self.log.levels())
        self.assertTrue(self.log.lines(LogLevel.info)[0].endswith(", by {x} 100%\\n"))
