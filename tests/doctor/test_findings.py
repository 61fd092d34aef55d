"""Tests of L{pkdoors.doctor.findings}."""

import json

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.findings import (
    ERROR,
    INFO,
    OK,
    WARNING,
    Finding,
    asJSON,
    asTable,
    fromError,
    statusOf,
)
from pkdoors.errors import FirewallError

FINE = Finding(OK, "firewall", "nftables")
WEAK = Finding(WARNING, "sequence", "it is short", "take\n`another`")
BROKEN = Finding(ERROR, "22/tcp", "it is open", "start the daemon")


class FindingsTests(SynchronousTestCase):
    """
    Tests of findings, and how they are printed.
    """

    def test_status(self) -> None:
        """The worst finding decides the exit status."""
        for findings, status in (
            ([], 0),
            ([FINE], 0),
            ([FINE, Finding(INFO, "scans", "they are easy", "`quiet`")], 0),
            ([WEAK, FINE], 1),
            ([FINE, BROKEN, WEAK], 2),
        ):
            self.assertEqual(status, statusOf(findings), findings)

    def test_table(self) -> None:
        """Each finding has a line, in columns, and its remedy another below."""
        self.assertEqual(
            "OK       firewall  nftables\n"
            "WARNING  sequence  it is short\n"
            "                   -> take\n"
            "                      `another`\n"
            "ERROR    22/tcp    it is open\n"
            "                   -> start the daemon",
            asTable([FINE, WEAK, BROKEN]),
        )

    def test_json(self) -> None:
        """For programs, the findings are a list of objects with the four fields."""
        self.assertEqual(
            [
                {"level": "OK", "subject": "firewall", "text": "nftables", "remedy": ""},
                {
                    "level": "ERROR",
                    "subject": "22/tcp",
                    "text": "it is open",
                    "remedy": "start the daemon",
                },
            ],
            json.loads(asJSON([FINE, BROKEN])),
        )

    def test_error(self) -> None:
        """The remedy of our own errors comes after the first colon."""
        finding = fromError("nftables", FirewallError("it is missing: install python3: all"))
        expected = Finding(ERROR, "nftables", "it is missing", "install python3: all")
        self.assertEqual(expected, finding)
        for text in ("firewalld refused: BAD: x", "it is broken"):
            finding = fromError("zones", FirewallError(text))
            self.assertEqual((text, True), (finding.text, bool(finding.remedy)))
