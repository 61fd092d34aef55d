"""Tests of L{pkdoors.doctor.findings}."""

import json

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._daemon import Daemon, reportOutdated
from pkdoors.doctor.findings import (
    ERROR,
    INFO,
    OK,
    WARNING,
    Finding,
    asJSON,
    asTable,
    exitStatusOf,
    fromError,
)
from pkdoors.errors import FirewallError
from pkdoors.model.ports import parsePortRanges

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
            self.assertEqual(status, exitStatusOf(findings), findings)

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


class OutdatedTests(SynchronousTestCase):
    """
    Tests of L{reportOutdated}.
    """

    def test_lacks(self) -> None:
        """
        The finding says what the daemon does not do yet, and nothing else; it names no knock port.
        """
        daemon, ssh = Daemon(7, conf="/x.toml"), parsePortRanges("22")
        deaf, guard = "does not listen on 2 of 3 knock ports", "does not guard 22/tcp"
        for ports, unguarded, lacks in (
            ([17001, 17002], (), deaf),
            ([], ssh, guard),
            ([17001, 17002], ssh, f"{deaf} and {guard}"),
        ):
            found = reportOutdated(daemon, ports, unguarded, [17001, 17002, 17003])
            self.assertEqual(f"the daemon has not read the current /x.toml: it {lacks}", found.text)
            self.assertEqual("`pkdoors reload`", found.remedy)
