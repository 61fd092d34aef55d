"""Tests of L{pkdoors.config.foreign.seed}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.config.parser import parseConfig, parseSeed
from pkdoors.config.template import renderConf
from pkdoors.errors import ConfigError
from pkdoors.model.doors import Door
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence

FILE = "/etc/port_knocker.toml"
PORTS = (17001, 17203, 17005, 17404, 17002)
SHORT = f"opening_sequence = {list(PORTS)}\n"
ALL = f"""
ports_to_controls = [22, 8080]
{SHORT}
firewall_rules_check_periode_seconds = 11
ignoring_period_after_knock_error = 6
max_knocker_live_time = 31
max_opened_door_duration = 12
doors_cleanup_periode = 13
"""


def read(text: str) -> Door:
    """Return the only door of a file."""
    (door,) = parseConfig(text, FILE).doors
    return door


class GoodTests(SynchronousTestCase):
    """Correct files."""

    def test_all(self) -> None:
        """Every key that is needed counts."""
        door = Door(
            "default",
            Sequence(PORTS),
            parsePortRanges("22,8080"),
            openFor=12.0,
            maxOpenFor=3600.0,
            knockTimeout=31.0,
            penalty=6.0,
        )
        self.assertEqual(door, read(ALL))

    def test_defaults(self) -> None:
        """The defaults are those of port-knocking-doors, except for the sequence."""
        door = Door("default", Sequence(PORTS), parsePortRanges("22"), openFor=10.0)
        self.assertEqual(door, read(SHORT))
        self.assertEqual((30.0, 5.0), (door.knockTimeout, door.penalty))

    def test_longTime(self) -> None:
        """If a door opens for a long time, a knock can ask for as long."""
        door = read(SHORT + "max_opened_door_duration = 7200\n")
        self.assertEqual((7200.0, 7200.0), (door.openFor, door.maxOpenFor))

    def test_forms(self) -> None:
        """Times and ports can be written as in a file of pkdoors; the penalty can be 0."""
        door = read(
            'opening_sequence = "17001,17203,17005,17404,17002"\n'
            'ports_to_controls = ["22/tcp", "51820/udp"]\n'
            'max_opened_door_duration = "1h30m"\n'
            "ignoring_period_after_knock_error = 0\n"
        )
        self.assertEqual("default (22/tcp,51820/udp)", str(door))
        self.assertEqual((PORTS, 5400.0, 0.0), (door.sequence.ports, door.openFor, door.penalty))

    def test_note(self) -> None:
        """
        A file that is read as it is has one note, which says which keys are not needed, and why.
        """
        (note,) = parseConfig(ALL, "/a b.toml").notes
        self.assertEqual(
            "/a b.toml is a configuration of port-knocking-doors and is read as such; no longer "
            "needed: firewall_rules_check_periode_seconds (the daemon repairs the firewall's rules "
            "at once), doors_cleanup_periode (the kernel closes each door at its deadline); "
            "`pkdoors init --seed '/a b.toml'` converts it to one of pkdoors",
            note,
        )
        (note,) = parseConfig(SHORT, FILE).notes
        self.assertEqual(
            f"{FILE} is a configuration of port-knocking-doors and is read as such; "
            f"`pkdoors init --seed {FILE}` converts it to one of pkdoors",
            note,
        )

    def test_ownHasNone(self) -> None:
        """A file of pkdoors has no note."""
        self.assertEqual((), parseConfig(renderConf(read(ALL)), FILE).notes)

    def test_takenOver(self) -> None:
        """
        Converted to a file of pkdoors it means the same, and a line for each key says what replaced
        it.
        """
        door, lines = parseSeed(ALL, FILE)
        self.assertEqual(Config((read(ALL),)), parseConfig(renderConf(door), FILE))
        self.assertEqual(
            [
                "ports_to_controls is now called ports",
                "opening_sequence is now called sequence",
                "firewall_rules_check_periode_seconds is no longer needed: "
                "the daemon repairs the firewall's rules at once",
                "ignoring_period_after_knock_error is now called penalty",
                "max_knocker_live_time is now called knock_timeout",
                "max_opened_door_duration is now called open_for",
                "doors_cleanup_periode is no longer needed: "
                "the kernel closes each door at its deadline",
            ],
            lines,
        )


class BadTests(SynchronousTestCase):
    """Wrong files."""

    def refused(self, text: str) -> str:
        """Return the one line that refuses a text, without the file's name."""
        line = str(self.assertRaises(ConfigError, parseConfig, text, FILE))
        self.assertNotIn("\n", line)
        self.assertTrue(line.startswith(f"{FILE}: "), line)
        self.assertEqual(line, str(self.assertRaises(ConfigError, parseSeed, text, FILE)))
        return line.removeprefix(f"{FILE}: ")

    def test_noSequence(self) -> None:
        """The sequence is required: the default of port-knocking-doors is not a secret."""
        self.assertEqual(
            "opening_sequence is missing, and has no default here, because the default of "
            "port-knocking-doors is public: create a sequence with `pkdoors sequence`",
            self.refused("ports_to_controls = [22]\n"),
        )

    def test_unknownKey(self) -> None:
        """An unknown key is refused, and the line names the known ones."""
        line = self.refused(SHORT + "max_open_door_duration = 10\n")
        self.assertEqual(
            "unknown key 'max_open_door_duration' (did you mean max_opened_door_duration?): "
            "allowed are ports_to_controls, "
            "opening_sequence, max_opened_door_duration, max_knocker_live_time, "
            "ignoring_period_after_knock_error, firewall_rules_check_periode_seconds, "
            "doors_cleanup_periode",
            line,
        )

    def test_mixed(self) -> None:
        """Keys of both programs in one file are refused, and the line names one of each."""
        door = f"[doors.ssh]\nsequence = {list(PORTS)}\nports = [22]\n"
        for theirs, key, text in (
            ("opening_sequence", "doors", SHORT + door),
            ("opening_sequence", "firewall", 'firewall = "nftables"\n' + SHORT),
            ("doors_cleanup_periode", "zone", 'doors_cleanup_periode = 1\nzone = ""\n'),
        ):
            self.assertEqual(
                f"{theirs!r} is a key of port-knocking-doors, but {key!r} is one of pkdoors: "
                "use the keys of only one of them, or two files",
                self.refused(text),
            )

    def test_sequence(self) -> None:
        """A sequence is a list of 5 to 20 ports."""
        for value, words in (
            ("[1, 2, 3, 4]", "it has 4 ports: a sequence has 5 to 20"),
            ("[1, 2, 3, 4, 0]", "it is not a port: a port is a number from 1 to 65535"),
            *((value, "is not a list of ports: write [17001, ") for value in ("1", "[]", "true")),
        ):
            line = self.refused(f"opening_sequence = {value}\n")
            self.assertTrue(line.startswith("opening_sequence: "), line)
            self.assertIn(words, line)

    def test_noPorts(self) -> None:
        """A door without ports would do nothing: that file cannot have a program."""
        self.assertIn(
            "a door without ports opens nothing", self.refused(f"{SHORT}ports_to_controls = []\n")
        )

    def test_ports(self) -> None:
        """Ports are a list; none of them is a knock port."""
        for value, words in (
            ("[65536]", "this is not a port, a number from 1 to 65535"),
            ("22", 'is not a list of ports: write [22, "51820/udp"'),
            ("[[22]]", "a list is not a list of ports"),
            ('"17404/udp"', "the protected ports include a knock port, which must stay open"),
        ):
            line = self.refused(f"{SHORT}ports_to_controls = {value}\n")
            self.assertTrue(line.startswith("ports_to_controls: "), line)
            self.assertIn(words, line)

    def test_times(self) -> None:
        """A value that is not a time is refused, for each key that takes a time, needed or not."""
        for key, least, most in (
            ("max_opened_door_duration", 1, "30d"),
            ("max_knocker_live_time", 1, "1h"),
            ("ignoring_period_after_knock_error", 0, "30d"),
            ("firewall_rules_check_periode_seconds", 0, "30d"),
            ("doors_cleanup_periode", 0, "30d"),
        ):
            for value in (str(least - 1), '"ten"', '"721h"'):
                line = self.refused(f"{SHORT}{key} = {value}\n")
                self.assertTrue(line.startswith(f"{key}: "), line)
                self.assertIn(f"is not a time from {least}s to {most}: write it like 45", line)
            for value in ("1.5", "true", "[10]", "{}"):
                line = self.refused(f"{SHORT}{key} = {value}\n")
                self.assertTrue(line.startswith(f"{key}: "), line)
                self.assertIn('is not a time: write it like "45s", "10m"', line)

    def test_notSeed(self) -> None:
        """A file without any of its keys is not a file of port-knocking-doors."""
        for text in ("", "ports = [22]\n", renderConf(read(ALL))):
            line = str(self.assertRaises(ConfigError, parseSeed, text, FILE))
            self.assertTrue(
                line.startswith(f"{FILE} is not a configuration of port-knocking-doors"), line
            )
        self.assertRaises(ConfigError, parseSeed, "[", FILE)

    def test_garbage(self) -> None:
        """Whatever the text, nothing else is raised."""
        chance = random.Random(2)
        refused = 0
        for _ in range(300):
            at = chance.randrange(len(ALL))
            junk = "".join(chance.choices('[]{}",.=\n\x00\ufffd1a', k=3))
            try:
                parseSeed(ALL[:at] + junk + ALL[at + chance.randrange(9) :], FILE)
            except ConfigError:
                refused += 1
        self.assertGreater(refused, 100)
