"""Tests of L{pkdoors.commands.setup.fleet} and L{pkdoors.fleet.access}."""

import grp
import importlib.util
import os
import shlex
import socket
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from io import BytesIO, TextIOWrapper
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.commands.parser import Parser
from pkdoors.commands.setup.fleet import addFleetInitCommand
from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.config.fleetfile import readFleet, readPassword

ENGINE = ("--engine", "rediss://redis.example")
OWN = "user web1 on #"


class FleetInitTests(SynchronousTestCase):
    """
    Tests of C{pkdoors fleet init}.
    """

    def setUp(self) -> None:
        """Make a folder, and be web1.example."""
        # Not in trial's folder: others may be able to write there.
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.addCleanup(os.umask, os.umask(0o022))
        self.file = self.folder / "fleet.toml"
        self.patch(socket, "gethostname", lambda: "Web1.example")

    def run_(self, *arguments: str) -> tuple[int, str]:
        """Run the command; return its status, and its output, of both kinds."""
        parser = Parser("pkdoors fleet init", description="Make them.")
        addFleetInitCommand(parser)
        output = TextIOWrapper(BytesIO(), "utf-8", write_through=True)
        status = 0
        with redirect_stdout(output), redirect_stderr(output):
            try:
                options = parser.parse_args([*arguments, "--output", str(self.file)])
                options.run(options, {})
            except SystemExit as end:
                status = int(end.code or 0)
        output.seek(0)
        return status, output.read()

    def make(self, *more: str) -> str:
        """Run it, with success; return what it prints."""
        status, output = self.run_("prod", "gate1", "web1", *ENGINE, *more)
        self.assertEqual(0, status, output)
        return output

    def refused(self, *arguments: str, status: int = 1) -> str:
        """Run it without success; return its one line."""
        found, output = self.run_(*arguments)
        self.assertEqual((status, 1), (found, output.count("\n")), output)
        self.assertEqual([], [*self.folder.iterdir()])
        return output.removeprefix("pkdoors fleet init: ")

    def test_files(self) -> None:
        """It writes the fleet's file, which all may read, and a password, which nobody else may."""
        output = self.make()
        fleet = readFleet(str(self.file))
        password = self.folder / "fleet.password"
        ca = str(self.folder / "fleet-ca.pem")
        engine = Engine("redis.example")
        expected = FleetConfig("prod", "web1", ("gate1", "web1"), engine, str(password), ca)
        self.assertEqual(expected, fleet)
        self.assertEqual(
            [0o644, 0o600], [path.stat().st_mode & 0o777 for path in (self.file, password)]
        )
        secret = readPassword(fleet)
        self.assertGreater(len(secret), 30)
        self.assertNotIn(secret, output)
        self.assertNotIn(secret, self.file.read_text())
        self.assertIn(f"{OWN}{sha256(secret.encode()).hexdigest()} ", output)

    def test_user(self) -> None:
        """The host may write its own streams and claims, and read those of all; nothing else."""
        (line,) = [line for line in self.make().split("\n") if OWN in line]
        self.assertIn(
            " resetkeys resetchannels -@all +ping +info "
            "(+xadd %W~pk:prod:log:web1 %W~pk:prod:orders:web1 %W~pk:prod:events:web1) "
            "(+xread +xrange +xrevrange %R~pk:prod:log:* %R~pk:prod:orders:* %R~pk:prod:events:*) "
            "(+set %W~pk:prod:up:web1 %W~pk:prod:claim:*) (+get %R~pk:prod:up:*)",
            line,
        )

    def test_group(self) -> None:
        """If the fleet's service has a group, that may read the password."""
        own = grp.getgrgid(os.getgid())
        output = self.make()
        self.assertIn("(the first of these also lets the fleet's service read", output)
        rmtree(self.folder)
        self.folder.mkdir()
        self.patch(grp, "getgrnam", lambda name: own)
        output = self.make()
        if os.getuid() == 0:
            self.assertEqual(0o640, (self.folder / "fleet.password").stat().st_mode & 0o777)
            self.assertNotIn("the fleet's service read", output)

    def test_again(self) -> None:
        """A second run changes nothing, and says so."""
        self.make()
        before = {path: path.read_text() for path in self.folder.iterdir()}
        status, output = self.run_("prod", "gate1", "web1", *ENGINE)
        self.assertEqual(1, status)
        self.assertIn(f"{self.file} already exists and is not overwritten", output)
        self.assertEqual(before, {path: path.read_text() for path in self.folder.iterdir()})

    def test_allOrNone(self) -> None:
        """If the password cannot be written, nothing is."""
        (self.folder / "fleet.password").touch()
        status, output = self.run_("prod", "gate1", "web1", *ENGINE)
        self.assertEqual(1, status)
        self.assertIn("fleet.password already exists", output)
        self.assertFalse(self.file.exists())

    def test_otherHosts(self) -> None:
        """The steps have the command for the other hosts, which is read there."""
        more = ("--ca", "/etc/a b.pem", "--operators", "/etc/operators", "--valkey")
        output = self.make(*more)
        repeated = (
            " fleet init prod gate1 web1 --engine rediss://redis.example:6379 --ca '/etc/a b.pem' "
            "--operators /etc/operators --valkey --this HOST"
        )
        (line,) = [line for line in output.split("\n") if line.endswith(repeated)]
        words = shlex.split(line.partition(" fleet init ")[2].replace("HOST", "gate1"))
        mine = readFleet(str(self.file))
        rmtree(self.folder)
        self.folder.mkdir()
        self.assertEqual(0, self.run_(*words)[0])
        theirs = readFleet(str(self.file))
        self.assertEqual(("gate1", mine.hosts, mine.ca), (theirs.host, theirs.hosts, theirs.ca))
        self.assertEqual("/etc/operators", theirs.operators)
        self.assertIn("On each other host (gate1)", output)
        self.assertIn("/etc/valkey/users.acl", output)
        self.assertNotIn("/etc/redis", output)
        self.assertNotIn("To close doors and to ban keys", output)

    def test_door(self) -> None:
        """The steps say what the doors share, and that a knock must name its address."""
        output = self.make()
        self.assertIn("from one host, where `pkdoors init` makes it, and the file of keys", output)
        self.assertIn("`pkdoors knock --bind ADDRESS`", output.split("\n\n")[-1])

    def test_plain(self) -> None:
        """Without TLS there is no certificate; with the system's, none is to be made."""
        for url, more in (
            ("redis://192.0.2.1:7000", ()),
            ("rediss://192.0.2.1:7000", ("--ca", "system")),
        ):
            status, output = self.run_("prod", "web1", "--engine", url, *more)
            self.assertEqual(0, status, output)
            self.assertEqual("", readFleet(str(self.file)).ca)
            self.assertNotIn("openssl", output)
            self.assertEqual(url.startswith("redis:"), "Without TLS, everybody" in output)
            self.assertIn(
                "\n       port 7000\n" if not more else "\n       tls-port 7000\n", output
            )
            self.assertNotIn("On each other host", output)
            rmtree(self.folder)
            self.folder.mkdir()

    def test_client(self) -> None:
        """A step says how to install what speaks to the engine, unless it is there."""
        self.patch(importlib.util, "find_spec", lambda name: None)
        self.assertIn("pip install 'pkdoors[fleet]'", self.make())
        rmtree(self.folder)
        self.folder.mkdir()
        self.patch(importlib.util, "find_spec", lambda name: object())
        self.assertNotIn("pip install", self.make())

    def test_elsewhere(self) -> None:
        """If the daemon does not find the file by itself, a step says what to add."""
        self.assertIn(f'Above the first door: fleet_file = "{self.file}".', self.make())

    def test_wrong(self) -> None:
        """What does not fit is refused in one line, and nothing is written."""
        self.assertIn(
            "has the name of this one, web1.example: name this one with --this HOST",
            self.refused("prod", "gate1", "web2", *ENGINE),
        )
        for line, *arguments in (
            ("'web2' is not one of the hosts: web1", "web1", *ENGINE, "--this", "web2"),
            ("leave out the user before the @", "web1", "--engine", "rediss://hans@a"),
            ("is for an engine with TLS", "web1", "--engine", "redis://a", "--ca", "/x"),
        ):
            self.assertIn(line, self.refused("prod", *arguments))
        for line, *arguments in (
            ("is not a name of a fleet", "Prod", "web1", *ENGINE),
            ("is not a name of a host", "prod", "web1 ", *ENGINE),
            ("is not the URL of an engine", "prod", "web1", "--engine", "http://a"),
            ("the following arguments are required: --engine", "prod", "web1"),
        ):
            self.assertIn(line, self.refused(*arguments, status=2))

    def test_names(self) -> None:
        """The host's name counts with its domain, and without."""
        for hosts in (("web1.example", "a"), ("a", "web1")):
            self.assertEqual(0, self.run_("prod", *hosts, *ENGINE)[0])
            self.assertIn(readFleet(str(self.file)).host, hosts)
            rmtree(self.folder)
            self.folder.mkdir()
