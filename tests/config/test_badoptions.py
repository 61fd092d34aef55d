"""Tests of L{pkdoors.config.options}: wrong command lines."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.options import Options
from pkdoors.util.quoting import shown
from tests.config.commandlines import GOOD, NOWHERE, SEQ, read
from tests.fakes.refusals import refusal


class BadValueTests(SynchronousTestCase):
    """Wrong command lines."""

    def refused(self, *arguments: str, **environment: str) -> str:
        """Return the one line that refuses a command line."""
        line = refusal(self, 2, read, *arguments, **environment)
        self.assertTrue(line.startswith("pkdoors: "), line)
        self.assertTrue(line.endswith(" (`twistd pkdoors --help` shows all options)"), line)
        return line[len("pkdoors: ") : -len(" (`twistd pkdoors --help` shows all options)")]

    def test_missing(self) -> None:
        """Without a sequence or ports the line names the option and the variable."""
        self.assertEqual(
            "--magic-seq is missing, and KNOCKER_SEQ is not set",
            self.refused("-p", "22"),
        )
        self.assertEqual(
            "--ports is missing, and KNOCKER_PORTS is not set",
            self.refused("-m", SEQ),
        )
        self.assertEqual(
            f"pkdoors: No configuration found (looked for {NOWHERE}). "
            "Create one with `pkdoors init`",
            refusal(self, 78, read, "-t", "1m"),
        )

    def test_sequenceTooShort(self) -> None:
        """A sequence of 4 ports is refused."""
        self.assertEqual(
            "--magic-seq: it has 4 ports: a sequence has 5 to 20, separated by commas",
            self.refused("-m", "1,2,3,4", "-p", "22"),
        )

    def test_onePort(self) -> None:
        """A plain sequence that repeats one port is refused; for a sealed one the key is what
        counts."""
        same = ",".join(["17001"] * 5)
        self.assertEqual(
            "door default: its sequence repeats one port, so it has no order to guess: "
            "use different ports (`pkdoors sequence` prints a sequence)",
            self.refused("-m", same, "-p", "22"),
        )
        read("-m", same, "-p", "22", "-k", "/etc/keys")
        read("-m", f"{same},17002", "-p", "22")

    def test_sequenceTooLong(self) -> None:
        """A sequence of 21 ports is refused."""
        text = ",".join(str(1000 + number) for number in range(21))
        self.assertEqual(
            "--magic-seq: it has 21 ports: a sequence has 5 to 20, separated by commas",
            self.refused("-m", text, "-p", "22"),
        )

    def test_sequenceItems(self) -> None:
        """Port 0, port 65536 and a word are refused in a sequence."""
        for item in ("0", "65536", "word", "-1"):
            self.assertEqual(
                "--magic-seq: item 3: it is not a port: a port is a number from 1 to 65535, with "
                "/tcp at its end for TCP",
                self.refused("-m", f"1,2,{item},4,5", "-p", "22"),
            )

    def test_portItems(self) -> None:
        """Port 0, port 65536 and a word are refused as protected ports."""
        for item in ("0", "65536", "word"):
            self.assertEqual(
                f"--ports: item 2: {shown(item)} is not a port, a number from 1 to 65535: "
                "write 22, 22/tcp, 51820/udp or 6000-6010/tcp, several with commas",
                self.refused("-m", SEQ, "-p", f"22,{item}"),
            )

    def test_emptyItem(self) -> None:
        """An empty item is refused in both."""
        self.assertEqual(
            "--magic-seq: it has an empty item: separate 5 to 20 ports with single commas",
            self.refused("-m", "1,2,,4,5", "-p", "22"),
        )
        self.assertEqual(
            "--ports: '22,' has an empty item: separate ports with single commas",
            self.refused("-m", SEQ, "-p", "22,"),
        )

    def test_emptyValue(self) -> None:
        """An empty value does not count as absent: the environment does not replace it."""
        self.assertTrue(
            self.refused("-m", "", "-p", "22", KNOCKER_SEQ=SEQ).startswith(
                "--magic-seq: it has an empty item"
            )
        )

    def test_backwards(self) -> None:
        """A port range that runs backwards is refused."""
        self.assertEqual(
            "--ports: this runs backwards: write the smaller port first",
            self.refused("-m", SEQ, "-p", "6010-6000/tcp"),
        )

    def test_protocol(self) -> None:
        """An unknown protocol is refused."""
        self.assertEqual(
            "--ports: '22/sctp' is not a port: "
            "write 22, 22/tcp, 51820/udp or 6000-6010/tcp, several with commas",
            self.refused("-m", SEQ, "-p", "22/sctp"),
        )

    def test_noPorts(self) -> None:
        """A door without ports needs a program, which only a file can have."""
        for place, arguments, environment in (
            ("--ports", ("-m", SEQ, "-p", "none"), {}),
            ("KNOCKER_PORTS", ("-m", SEQ), {"KNOCKER_PORTS": "none"}),
        ):
            self.assertEqual(
                f"{place}: a door without ports opens nothing, so it needs on_open, a program to "
                "run: add that in the file, or name ports",
                self.refused(*arguments, **environment),
            )

    def test_protectedKnockPort(self) -> None:
        """
        A protected UDP port that is also a knock port is refused, and the line names the option.
        """
        line = self.refused("-m", SEQ, "-p", "22,17000-17010/udp")
        self.assertIn("the protected ports include a knock port", line)
        self.assertRegex(line, "--ports|--magic-seq")

    def test_openForAboveMaxOpen(self) -> None:
        """A time above the maximum is refused, and the line names both options."""
        line = self.refused(*GOOD, "-t", "8h")
        self.assertIn("8h", line)
        self.assertIn("1h", line)
        self.assertIn("--open-for", line)
        self.assertIn("--max-open-for", line)

    def test_sameInterfaceTwice(self) -> None:
        """An interface that is given twice counts once."""
        config = read(*GOOD, "--interface", "::1", "--interface", "::1")
        self.assertEqual(("::1",), config.interfaces)

    def test_firewall(self) -> None:
        """An unknown firewall is refused."""
        self.assertEqual(
            "--firewall: 'iptables' is not a firewall: "
            "choose one of auto, nftables, firewalld, dry-run",
            self.refused(*GOOD, "-f", "iptables"),
        )

    def test_sessions(self) -> None:
        """A value other than keep and cut is refused, and the line says what the two mean."""
        for value in ("", "kill", "Cut", "yes"):
            self.assertEqual(
                f"--sessions: {value!r} is neither keep (live sessions go on after the door "
                "has closed) nor cut (they end when it closes)",
                self.refused(*GOOD, "--sessions", value),
            )

    def test_times(self) -> None:
        """A negative or absurd time is refused, for each option that takes a time."""
        for option, most in (("open-for", "30d"), ("max-open-for", "30d"), ("knock-timeout", "1h")):
            for value in ("-5", "-5s", "0", "ten", "", "721h", "9" * 400, "1.5h"):
                self.assertEqual(
                    f"--{option}: {shown(value)} is not a time from 1s to {most}: "
                    "write it like 45, 45s, 10m, 8h, 7d or 1h30m",
                    self.refused(*GOOD, f"--{option}", value),
                )

    def test_datagrams(self) -> None:
        """The same is true for the numbers of datagrams; the rate can be 0."""
        self.assertEqual(
            "--knock-rate: '5' is not a valid number of datagrams: "
            "use 100 to 1000000, or 0 for no limit",
            self.refused(*GOOD, "--knock-rate", "5"),
        )
        self.assertIn(
            "--knock-burst: '0' is not a valid number", self.refused(*GOOD, "--knock-burst", "0")
        )

    def test_revokedKeys(self) -> None:
        """Without a file of authorized keys, there are none to revoke."""
        self.assertEqual(
            "--revoked-keys: only sealed knocks have keys: give the door a file of authorized "
            "keys, or remove this",
            self.refused(*GOOD, "--revoked-keys", "/revoked"),
        )

    def test_penalty(self) -> None:
        """The same is true for the penalty, which can be 0."""
        self.assertEqual(
            "--penalty: '-1' is not a time from 0s to 30d: "
            "write it like 45, 45s, 10m, 8h, 7d or 1h30m",
            self.refused(*GOOD, "--penalty", "-1"),
        )

    def test_clockSkew(self) -> None:
        """
        The same is true for the clocks, which can differ by an hour at most, and never by nothing.
        """
        for value in ("0", "3601", "2h", "-5", "", "ten"):
            self.assertEqual(
                f"--clock-skew: {shown(value)} is not a time from 1s to 1h: "
                "write it like 45, 45s, 10m, 8h, 7d or 1h30m",
                self.refused(*GOOD, "--clock-skew", value),
            )

    def test_grants(self) -> None:
        """Lengths that are none, or networks that are too large for one knock, are refused."""
        for option, bounds, values in (
            ("--grant4", "16 to 32; 32", ("0", "15", "33", "64", "-1", "", "/24", "2 4")),
            ("--grant6", "48 to 128; 128", ("0", "47", "129", "032x", "1e2")),
        ):
            for value in values:
                self.assertEqual(
                    f"{option}: {shown(value)} is not a length of IPv{option[-1]} networks that a "
                    f"knock may open for: use {bounds} is the sender's address alone",
                    self.refused(*GOOD, "-k", "/etc/keys", option, value),
                )
        for option, value in (("--grant4", "24"), ("--grant6", "64")):
            self.assertEqual(
                f"{option}: only a sealed knock opens for a network, as its key's line must allow "
                "it: give the door a file of authorized keys, or remove this",
                self.refused(*GOOD, option, value),
            )

    def test_interface(self) -> None:
        """A value that is not an address is refused as an interface."""
        for value in ("eth0", "", "192.0.2.256", "192.0.2.0/24", "localhost"):
            self.assertEqual(
                f"--interface: {shown(value)} is not an address: "
                "use a local IPv4 or IPv6 address, like 192.0.2.1",
                self.refused(*GOOD, "--interface", value),
            )

    def test_environment(self) -> None:
        """A bad value in the environment is refused with the variable's name."""
        self.assertEqual(
            "KNOCKER_SEQ: it has 4 ports: a sequence has 5 to 20, separated by commas",
            self.refused("-p", "22", KNOCKER_SEQ="1,2,3,4"),
        )
        self.assertEqual(
            "KNOCKER_PORTS: '80-79' runs backwards: write the smaller port first",
            self.refused("-m", SEQ, KNOCKER_PORTS="80-79"),
        )
        self.assertTrue(self.refused("-m", SEQ, KNOCKER_PORTS="").startswith("KNOCKER_PORTS: ''"))

    def test_unknownOption(self) -> None:
        """An option that does not exist is refused."""
        options = Options({})
        self.assertEqual(
            "pkdoors: option --logfile not recognized (`twistd pkdoors --help` shows all options; "
            "put twistd's own options before the word pkdoors)",
            refusal(self, 2, options.parseOptions, [*GOOD, "--logfile", "x"]),
        )

    def test_missingValue(self) -> None:
        """An option without its value is refused."""
        self.assertIn("open-for", self.refused(*GOOD, "--open-for"))

    def test_rest(self) -> None:
        """Words that belong to no option are refused."""
        words = "'now' is not an option: write lists with commas, without blanks"
        self.assertEqual(words, self.refused(*GOOD, "now"))

    def test_newlines(self) -> None:
        """Whatever the value, the error is one line."""
        for arguments in (["-m", "1\n2"], ["-p", "1\n2"], ["-t", "1\n2"], ["-f", "a\nb"]):
            self.refused(*GOOD, *arguments)
        self.refused(*GOOD, "--sessions", "a\nb")
        self.refused(*GOOD, "a\nb")

    def test_uses(self) -> None:
        """A value other than many and once is refused, and the line says what the two mean."""
        self.assertEqual(
            "--uses: 'twice' is neither many (an opening lets in any number of connections) nor "
            "once (the first connection uses it up)",
            self.refused(*GOOD, "--uses", "twice"),
        )

    def test_onceAndCut(self) -> None:
        """A door that opens for one connection cannot cut it when it closes."""
        line = (
            "--uses: an opening for one connection ends when that begins, so the door cannot cut "
            "sessions when it closes: use sessions = keep, or uses = many"
        )
        self.assertEqual(line, self.refused(*GOOD, "--uses", "once", "--sessions", "cut"))

    def test_onceOverUdp(self) -> None:
        """Nor can it open UDP ports."""
        self.assertEqual(
            "--uses: 53/udp cannot be opened for one connection, because UDP has no connections: "
            "give UDP ports a door of their own",
            self.refused("-m", SEQ, "-p", "22,53/udp", "--uses", "once"),
        )
