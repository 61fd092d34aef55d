"""Tests of L{pkdoors.fleet.presence}."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin.records import OpeningRecord
from pkdoors.errors import AskError
from pkdoors.fleet.presence import MAX_BYTES, PresenceRecord, parsePresence

NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
OPENING = OpeningRecord(
    door="ssh",
    source="192.0.2.7",
    ports=("22/tcp",),
    isOpen=True,
    until=NOW,
    secondsLeft=30.0,
    user="anna@laptop",
    key="SHA256:x",
    trouble="",
)
PRESENCE = PresenceRecord(
    time=NOW,
    version="26.12",
    doors=("ssh",),
    positions={"pk:prod:log:web1": "1795000000000-0"},
    hosts=("web1", "web2"),
    readTo="7-0",
    openings=(OPENING,),
    counts={"sent": 3},
)


class PresenceTests(SynchronousTestCase):
    """
    Tests of L{PresenceRecord} and L{parsePresence}.
    """

    def test_same(self) -> None:
        """What a host writes is what another reads."""
        self.assertEqual(PRESENCE, parsePresence(PRESENCE.encode()))
        self.assertEqual(1, PRESENCE.count())
        self.assertEqual(600, parsePresence(replace(PRESENCE, total=600).encode()).count())

    def test_positions(self) -> None:
        """A stream that is not named is read up to a common position, if its host is read."""
        found = [
            PRESENCE.findPosition(f"pk:prod:{kind}:{host}", host)
            for kind, host in (("log", "web1"), ("orders", "web1"), ("log", "web3"))
        ]
        self.assertEqual(["1795000000000-0", "7-0", None], found)

    def test_newer(self) -> None:
        """A host of a newer version may write more; one of an older version, less."""
        table = json.loads(PRESENCE.encode())
        for key in ("openings", "total", "dropped", "counts", "troubles"):
            del table[key]
        found = parsePresence(json.dumps({**table, "mood": "good"}).encode())
        self.assertEqual((), found.openings)

    def test_hostile(self) -> None:
        """Whatever a host writes, it cannot be worse than unreadable, or control a terminal."""
        good = json.loads(PRESENCE.encode())
        opening = good["openings"][0]
        for wrong in (
            b"",
            b"\xff",
            b"[" * 100_000,
            b"9" * 5000,
            b" " * (MAX_BYTES + 1),
            b"[]",
            json.dumps({**good, "doors": "ssh"}).encode(),
            json.dumps({**good, "time": "now"}).encode(),
            json.dumps({**good, "dropped": []}).encode(),
            json.dumps({**good, "openings": [{**opening, "seconds_left": float("inf")}]}).encode(),
            PRESENCE.encode().replace(b"30.0", b"1e999"),
            PRESENCE.encode().replace(b"30.0", b"NaN"),
        ):
            error = self.assertRaises(AskError, parsePresence, wrong)
            self.assertIn("about itself that cannot be read", str(error))
        found = parsePresence(json.dumps({**good, "doors": ["\x1b[2J"]}).encode())
        self.assertNotIn("\x1b", found.doors[0])
