"""The operator's page uses the words of the commands."""

from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin.records import (
    ClosedRecord,
    ClosingRecord,
    DoorRecord,
    EventRecord,
    OpeningRecord,
)
from pkdoors.adminclient import messages, statusview, watchview
from pkdoors.events.event import CLOSED, EXTENDED, KINDS, OPENED, REFUSED
from pkdoors.fleet.overview.sentences import nameHosts
from pkdoors.util.durations import formatDuration, formatLength, parseDuration
from tests.lab.page import NODE, askPage

KEY = "SHA256:uJ8kq0Yx2f7dM1p0nV5r3Qe8s7cH1aLr0tYw9zXbC4E"
TIME = datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC)
TONES = {"": "", "green": "good", "yellow": "warning", "red": "bad", "dim": "dim"}
"""What the page calls the colours of a terminal."""


def makeOpening(seconds: float = 30, uses: str = "many") -> OpeningRecord:
    """Return an opening."""
    ports = ("22/tcp", "443/tcp")
    return OpeningRecord("ssh", "192.0.2.7", ports, True, TIME, seconds, "anna", KEY, "", uses=uses)


class WordTests(SynchronousTestCase):
    """Texts of the page, and what the commands print."""

    if not NODE:
        skip = "node is missing"

    def compare(self, function: str, wanted: list[Any], *arguments: list[Any]) -> None:
        """Assert that a function of the page returns these values, each for its arguments."""
        self.assertGreater(len(wanted), 1)
        self.assertEqual(wanted, askPage(function, *arguments))

    def test_durations(self) -> None:
        """Lengths of time, written and read."""
        lengths = [0, 0.02, 1, 59.4, 60, 61, 3599.6, 3600, 5400, 86_399, 86_400, 2_592_000, 1e6]
        self.compare("formatDuration", [*map(formatDuration, lengths)], lengths)
        self.compare("formatLength", [*map(formatLength, lengths)], lengths)
        texts = ["45", "45s", "10m", "8h", "7d", "1h30m", "1d1h1m1s", " 3m "]
        self.compare("parseDuration", [*map(parseDuration, texts)], texts)

    def test_doors(self) -> None:
        """A door's lock, and whom it is open for."""
        about: list[dict[str, Any]] = [{}, {"fleet": True}, {"listens": False}, {"networks": 1}]
        doors = [
            DoorRecord("ssh", ("22/tcp",), lock, 30, 3600, "keep", 1, 1, count, 0, **more)
            for lock in ("sealed", "sequence")
            for count in (0, 1, 2, 5)
            for more in about
            if count or "networks" not in more
        ]
        counts = [statusview._countSources(door.openings, door.networks) for door in doors]
        self.compare("countSources", counts, doors)
        self.compare("describeLock", [*map(statusview._describeLock, doors)], doors)
        ports: list[list[str]] = [["22/tcp", "53/udp"], []]
        self.compare("formatPorts", [*map(messages.formatPorts, ports)], ports)

    def test_opened(self) -> None:
        """What an operator has opened."""
        openings = [makeOpening(), makeOpening(uses="once"), makeOpening(99), makeOpening(30)]
        asked = [0.0, 0.0, 99.4, 10.0]
        wanted = [messages.describeOpening(*each) for each in zip(openings, asked, strict=True)]
        now = [TIME.timestamp() * 1000] * len(asked)
        self.compare("describeOpened", wanted, openings, asked, now)

    def test_closed(self) -> None:
        """What an operator has closed, what follows, and what a firewall refuses."""
        cases = [("", True), ("no", True), ("no", False), ("", False)]
        closing = [
            ClosingRecord("ssh", "192.0.2.8", (), True, TIME, 0, "", "", trouble, isShut=isShut)
            for trouble, isShut in cases
        ]
        answer = ClosedRecord([makeOpening()], closing, ["192.0.2.0/24 still lets it in"])
        (found,) = askPage("describeClosed", [answer])
        lines = messages.describeClosed(answer) + messages.describeFollowing(answer)
        self.assertEqual([*lines, *answer.others], found["done"])
        self.assertEqual(messages.describeClosing(answer), found["refused"])

    def test_events(self) -> None:
        """Events, and what each kind looks like."""
        events = [
            EventRecord(TIME, kind, "ssh", source, (), 90, user, KEY, via=via, reason=why, text="")
            for kind in (OPENED, EXTENDED, CLOSED, REFUSED)
            for source in ("192.0.2.7", "")
            for user, via in (("anna", ""), ("", "gate2"))
            for why in ("", "too old", "at the request of anna", "the key of anna (b) is old")
        ]
        wanted = [f"{event.kind} {watchview.describeEvent(event)}" for event in events]
        self.compare("describeEvent", wanted, events)
        kinds = [{"event": kind} for kind in KINDS]
        self.compare("toneOf", [TONES[watchview.STYLES.get(kind, "")] for kind in KINDS], kinds)

    def test_dropped(self) -> None:
        """Why datagrams were dropped."""
        dropped = [{"limit": 12, "junk": 4512, "overflow": 0}, {"limit": 0}, {"new": 1}]
        self.compare("describeDropped", [*map(messages.describeDropped, dropped)], dropped)

    def test_hosts(self) -> None:
        """Names of hosts of a fleet."""
        hosts = [["a"], ["a", "b", "c"], ["a", "b", "c", "d"]]
        self.compare("nameHosts", [*map(nameHosts, hosts)], hosts)
