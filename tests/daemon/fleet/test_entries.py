"""Tests of L{pkdoors.daemon.fleet.entries}."""

import json
from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.fleet.entries import (
    MAX_DATA,
    ClaimAnswer,
    Entry,
    RelayedOrder,
    RelayedSeal,
    parseEntry,
)
from pkdoors.errors import BadValue

SEAL = b"pkdoors1 \x00\xff"
TEXT = b64encode(SEAL).decode()


def parse(**fields: object) -> Entry:
    """Return the entry of a line with these fields."""
    return parseEntry(json.dumps(fields).encode())


class EntriesTests(SynchronousTestCase):
    """
    Lines of C{POST /seals}.
    """

    def test_seal(self) -> None:
        """A seal comes with the host that heard it, and perhaps with an address."""
        for source in ("", "192.0.2.7", "2001:db8::7"):
            found = parse(host="gate1.example", source=source, seal=TEXT)
            self.assertEqual(RelayedSeal("gate1.example", source, SEAL), found)

    def test_address(self) -> None:
        """An address has one notation."""
        found = parse(host="gate1", source="2001:DB8:0::7", seal=TEXT)
        self.assertEqual(RelayedSeal("gate1", "2001:db8::7", SEAL), found)

    def test_others(self) -> None:
        """An order is as it was sealed; the answer to a claim may be that nobody knows."""
        self.assertEqual(RelayedOrder(SEAL), parse(order=TEXT))
        for won in (True, False, None):
            self.assertEqual(ClaimAnswer(7, won), parse(claim=7, won=won))

    def test_refused(self) -> None:
        """Everything else is refused, and nothing else is raised."""
        good = {"host": "gate1", "source": "", "seal": TEXT}
        wrong: list[dict[str, object]] = [
            {},
            {"seal": TEXT},
            {**good, "sequence": [1, 2]},
            {**good, "host": "no such host"},
            {**good, "host": 7},
            {**good, "source": "10.0.0.0/8"},
            {**good, "source": 7},
            {**good, "seal": "###"},
            {**good, "seal": "\u00fc"},
            {**good, "seal": 7},
            {**good, "seal": "A" * 4 * MAX_DATA},
            {"order": TEXT, "seal": TEXT},
            {"claim": True, "won": True},
            {"claim": "7", "won": True},
            {"claim": 7, "won": 1},
        ]
        for fields in wrong:
            self.assertRaises(BadValue, parse, **fields)
        lines = (b"", b"7", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"claim": 1e999}')
        for line in lines:
            self.assertRaises(BadValue, parseEntry, line)
