"""Tests of L{pkdoors.config.options}: configuration files, and options that override them."""

import os
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.config.config import CONF_FILE, Config
from pkdoors.config.options import Options
from pkdoors.config.parser import parseConfig
from pkdoors.model.doors import Door
from tests.config.commandlines import GOOD, SEQ, read, readBeside
from tests.fakes.refusals import refusal

ONE = f"""
firewall = "nftables"
zone = "home"
interfaces = ["192.0.2.1"]
[doors.ssh]
sequence = "{SEQ}"
ports = [22]
open_for = "1m"
max_open_for = "2m"
knock_timeout = "3s"
penalty = "4s"
sessions = "cut"
authorized_keys = "/keys"
"""
OTHER = "[doors.web]\nsequence = [9, 8, 7, 5, 6]\nports = [443]\n"


class FileTests(SynchronousTestCase):
    """Configuration files."""

    def setUp(self) -> None:
        """Write a file with a single door."""
        self.file = os.path.abspath(self.mktemp())
        self.write(ONE)

    def write(self, text: str) -> None:
        """Write another file."""
        Path(self.file).touch(0o600)
        Path(self.file).write_text(text)

    def door(self, *arguments: str, **environment: str) -> Door:
        """Return the door that the file and a command line give."""
        (door,) = read("-c", self.file, *arguments, **environment).doors
        return door

    def refused(self, *arguments: str, **environment: str) -> str:
        """Return the one line that refuses them, or the file alone."""
        status = 2 if arguments or environment else 78
        return refusal(self, status, read, "-c", self.file, *arguments, **environment)

    def test_emptyPath(self) -> None:
        """An empty path, from an unset variable, is refused: it does not count as no path."""
        self.assertIn("--authorized-keys: the path is empty", self.refused(*GOOD, "-k", ""))
        self.assertIn("--conf: the path is empty", self.refused(*GOOD, "-c", ""))

    def test_file(self) -> None:
        """A file alone is enough."""
        config = read("--conf", self.file)
        self.assertEqual(parseConfig(ONE, self.file), config)
        self.assertEqual("ssh (22/tcp)", str(*config.doors))

    def test_default(self) -> None:
        """The file at the default place counts if nothing else says what to guard."""
        self.assertEqual("ssh (22/tcp)", str(*readBeside(self.file).doors))
        self.assertEqual(5.0, readBeside(self.file, "-t", "5s").doors[0].openFor)
        door = readBeside(self.file, *GOOD).doors[0]
        self.assertEqual(("default", 30.0, ()), (door.name, door.openFor, door.authorizedKeys))
        door = readBeside(self.file, KNOCKER_SEQ=SEQ, KNOCKER_PORTS="80").doors[0]
        self.assertEqual("default (80/tcp)", str(door))
        line = refusal(self, 2, readBeside, self.file, "-p", "80")
        self.assertIn("--magic-seq is missing", line)

    def test_doorOverridden(self) -> None:
        """The command line overrides what the file says about its only door."""
        options = "-m 9,8,7,5,6 -p 80 -t 5s --max-open-for 6s --knock-timeout 7s --penalty 0"
        door = self.door(*options.split(), "--sessions", "keep")
        self.assertEqual(("9,8,7,5,6", "ssh (80/tcp)"), (str(door.sequence), str(door)))
        times = (door.openFor, door.maxOpenFor, door.knockTimeout, door.penalty)
        self.assertEqual((5.0, 6.0, 7.0, 0.0), times)
        self.assertEqual((False, ("/keys",)), (door.cutSessions, door.authorizedKeys))

    def test_environment(self) -> None:
        """The environment overrides the file, and the command line overrides both."""
        door = self.door(KNOCKER_SEQ="9,8,7,5,6")
        self.assertEqual(("9,8,7,5,6", "ssh (22/tcp)"), (str(door.sequence), str(door)))
        self.assertEqual("ssh (80/tcp)", str(self.door("-p", "80", KNOCKER_PORTS="443")))

    def test_daemonOverridden(self) -> None:
        """Firewall, zone and interfaces can be overridden with any number of doors."""
        self.write(ONE + OTHER)
        config = read("-c", self.file, "-f", "dry-run", "--zone", "", "--interface", "::1")
        self.assertEqual(
            ("dry-run", "", ("::1",)), (config.firewall, config.zone, config.interfaces)
        )
        self.assertEqual(2, len(config.doors))
        self.assertTrue(read("-c", self.file, "--log-knocks").logKnocks)

    def test_whichDoor(self) -> None:
        """If there are several doors, an option about a door is refused."""
        self.write(ONE + OTHER)
        self.assertEqual(
            "pkdoors: KNOCKER_PORTS, --open-for: the configuration file has 2 doors, and this does "
            "not say for which one: change it in the file "
            "(`twistd pkdoors --help` shows all options)",
            self.refused("-t", "5s", KNOCKER_PORTS="80"),
        )
        for option in ("-m", "-p", "-t", "--max-open-for", "--knock-timeout", "--penalty"):
            self.assertIn("does not say for which one", self.refused(option, "1"))

    def test_conflict(self) -> None:
        """An option that conflicts with the file's value is named in the error."""
        line = self.refused("-t", "1h")
        self.assertIn("--open-for, --max-open-for: 1h is longer than the door may be open at", line)
        self.assertIn(
            "--ports: the protected ports include a knock port", self.refused("-p", "17001/udp")
        )
        self.write(ONE.replace("[22]", '"9/udp"'))
        self.assertIn(
            "--magic-seq: the protected ports include a knock port", self.refused("-m", "9,8,7,5,6")
        )

    def test_bad(self) -> None:
        """An error in the file names the file, and does not point to the command line's help."""
        self.write(ONE + "port = 22\n")
        line = self.refused()
        self.assertTrue(
            line.startswith(f"pkdoors: {self.file}: doors.ssh: unknown key 'port'"), line
        )
        self.assertNotIn("--help", line)

    def test_notPrivate(self) -> None:
        """A file that others may read is refused."""
        os.chmod(self.file, 0o644)
        self.assertIn(f"`chmod 600 {self.file}`", self.refused())

    def test_missing(self) -> None:
        """A file that is named must exist."""
        os.unlink(self.file)
        self.assertTrue(self.refused().startswith(f"pkdoors: cannot read {self.file}: No such"))


SEED = f"""
ports_to_controls = [80]
opening_sequence = [{SEQ}]
max_opened_door_duration = 20
doors_cleanup_periode = 10
"""


class SeedTests(SynchronousTestCase):
    """Files of port-knocking-doors."""

    def setUp(self) -> None:
        """Make a home with such a file, and a folder for pkdoors' own."""
        self.home = os.path.abspath(self.mktemp())
        os.mkdir(self.home)
        self.own = os.path.join(self.home, "pkdoors.toml")
        self.file = os.path.join(self.home, ".port_knocker.toml")
        self.host = os.path.join(self.home, "port_knocker.toml")
        self.write(self.file, SEED)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        Path(path).touch(0o600)
        Path(path).write_text(text)

    def config(self, *arguments: str, **environment: str) -> Config:
        """Return the configuration that a command line gives."""
        options = Options(environment, [self.own, self.file, self.host])
        options.parseOptions(list(arguments))
        return options.config

    def door(self, *arguments: str, **environment: str) -> Door:
        """Return the door of a command line."""
        (door,) = self.config(*arguments, **environment).doors
        return door

    def test_places(self) -> None:
        """The first file that exists counts: pkdoors' own, the user's, the host's."""
        self.write(self.host, SEED.replace("80", "443"))
        self.assertEqual("default (80/tcp)", str(self.door()))
        os.unlink(self.file)
        self.assertEqual("default (443/tcp)", str(self.door()))
        self.write(self.own, OTHER.replace("443", "25"))
        self.assertEqual("web (25/tcp)", str(self.door()))

    def test_home(self) -> None:
        """By default the user's file is in the home that the environment names."""
        if os.path.exists(CONF_FILE):
            raise SkipTest(f"this machine has a {CONF_FILE}, which comes first")
        options = Options({"HOME": self.home})
        options.parseOptions([])
        self.assertEqual("default (80/tcp)", str(*options.config.doors))

    def test_noneIsThere(self) -> None:
        """If there is no file, the line names all places."""
        os.unlink(self.file)
        self.assertEqual(
            f"pkdoors: No configuration found (looked for {self.own}, {self.file}, {self.host}). "
            "Create one with `pkdoors init`",
            refusal(self, 78, self.config),
        )

    def test_given(self) -> None:
        """It can be named, and has the same notes as if it is found."""
        config = read("-c", self.file)
        self.assertEqual(parseConfig(SEED, self.file), config)
        self.assertIn(f"{self.file} is a configuration of port-knocking-doors", *config.notes)
        self.assertEqual(config, self.config())

    def test_overridden(self) -> None:
        """The command line overrides the environment, which overrides the file."""
        door = self.door(
            "-t", "5s", "--max-open-for", "6s", "--knock-timeout", "7s", "--penalty", "0"
        )
        times = (door.openFor, door.maxOpenFor, door.knockTimeout, door.penalty)
        self.assertEqual((5.0, 6.0, 7.0, 0.0), times)
        door = self.door("-c", self.file, KNOCKER_SEQ="9,8,7,5,6", KNOCKER_PORTS="443")
        self.assertEqual(("9,8,7,5,6", "default (443/tcp)"), (str(door.sequence), str(door)))
        door = self.door("-c", self.file, "-p", "25", KNOCKER_PORTS="443")
        self.assertEqual((SEQ, "default (25/tcp)"), (str(door.sequence), str(door)))
        self.assertEqual(20.0, door.openFor)
        self.assertEqual("dry-run", self.config("-f", "dry-run").firewall)
        self.assertEqual(1, len(self.config("-f", "dry-run").notes))

    def test_notRead(self) -> None:
        """If sequence and ports are given without a file, no file is read."""
        self.assertEqual("default (22/tcp)", str(self.door(*GOOD)))
        self.assertEqual((), self.config(*GOOD).notes)

    def test_notPrivate(self) -> None:
        """A file that others may read is refused, and not skipped for the next one."""
        self.write(self.host, SEED)
        os.chmod(self.file, 0o644)
        self.assertIn(f"`chmod 600 {self.file}`", refusal(self, 78, self.config))

    def test_bad(self) -> None:
        """An error in it names the file and the key."""
        self.write(self.file, SEED + "max_knocker_live_time = -1\n")
        line = refusal(self, 78, self.config)
        self.assertTrue(
            line.startswith(f"pkdoors: {self.file}: max_knocker_live_time: '-1' is not a"), line
        )
