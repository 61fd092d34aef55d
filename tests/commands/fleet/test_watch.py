"""Tests of L{pkdoors.commands.fleet.watch}."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from twisted.internet.defer import Deferred

from pkdoors.adminclient.console import makeConsole
from pkdoors.cli import makeParser
from pkdoors.commands.fleet import watch
from pkdoors.commands.fleet.watch import FleetWatch
from pkdoors.config.fleetfile import readFleet
from pkdoors.errors import EngineError
from tests.commands.fleet.fleetcase import NOW, STREAMS, FleetCommandTestCase
from tests.fakes.admin import makeEvent


class WatchTests(FleetCommandTestCase):
    """C{pkdoors fleet watch}."""

    def add(self, host: str, kind: str, **more: object) -> None:
        """Let something happen on a host."""
        event = makeEvent(kind, "192.0.2.7", "ssh", **more)
        self.store.add(STREAMS.events(host), {"e": json.dumps(event).encode()})
        self.reactor.advance(1)

    def test_earlier(self) -> None:
        """It shows the events of all hosts in the order in which they happened."""
        self.add("gate1", "opened", seconds=30.0, user="anna@laptop")
        self.add("web1", "opened", seconds=30.0, user="anna@laptop", via="gate1")
        self.add("gate1", "refused", reason="this knock was seen before")
        lines = self.says("watch", "--end").splitlines()
        self.assertEqual(3, len(lines))
        self.assertRegex(
            lines[0], r"^[0-9:]{8}  gate1  opened      ssh for 192.0.2.7, 30s, anna@laptop$"
        )
        self.assertIn("web1   opened      ssh for 192.0.2.7, 30s, anna@laptop via gate1", lines[1])
        self.assertIn("gate1  refused     ssh for 192.0.2.7, this knock was seen bef", lines[2])

    def test_chosen(self) -> None:
        """The user chooses how many, since when, and of which hosts."""
        for number in range(30):
            self.add(("gate1", "web1")[number % 2], "opened", user=f"u{number}")
        self.assertEqual(20, self.says("watch", "--end").count("\n"))
        self.assertEqual(2, self.says("watch", "--end", "--last", "2").count("\n"))
        self.assertEqual("", self.says("watch", "--end", "--last", "0"))
        self.assertNotIn("web1", self.says("watch", "--end", "--host", "gate1"))
        self.patch(watch, "time", lambda: NOW + 30)
        self.assertEqual(5, self.says("watch", "--end", "--since", "5s").count("\n"))
        line = self.fails("watch", "--end", "--host", "web9")
        self.assertEqual("'web9' is not a host of the fleet: use gate1, gate2, web1", line)

    def test_json(self) -> None:
        """Programs get an object for each event."""
        self.add("gate1", "opened", user="anna")
        (line,) = self.says("watch", "--end", "--json").splitlines()
        found = json.loads(line)
        self.assertEqual(
            ("gate1", "opened", "anna"), (found["host"], found["event"], found["user"])
        )

    def test_hostile(self) -> None:
        """Whatever a host writes, it is one line at most, and controls nothing."""
        lie = json.dumps({**makeEvent("x" * 5000, "y" * 5000), "host": "gate2"}).encode()
        for data in (lie, b"", b"[", b"\xff", b"{}", b"[" * 100_000, b'"x"', b"9" * 5000):
            self.store.add(STREAMS.events("gate1"), {"e": data})
        self.add("gate2", "opened\n\x1b[2J", user="\x1b]0;x\x07")
        text = self.says("watch", "--end")
        self.assertEqual(9, text.count("\n"), text)
        self.assertTrue(max(map(len, text.splitlines())) < 600)
        self.assertEqual(7, text.count("unreadable"))
        self.assertNotIn("\x1b", text)
        lines = self.says("watch", "--end", "--json").splitlines()
        hosts = [json.loads(line)["host"] for line in lines]
        self.assertEqual((8, 1), (hosts.count("gate1"), hosts.count("gate2")))

    def test_follow(self) -> None:
        """
        It goes on with what comes; if the engine goes away, one line says so, and another one that
        it is back, and nothing is missing.
        """
        self.add("gate1", "opened", user="u0")
        options = makeParser("fleet").parse_args(["fleet", "watch", "--json"])
        fleet = readFleet(str(self.folder / "fleet.toml"))
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            watching = FleetWatch(options, fleet, fleet.hosts, makeConsole({}))
            running = Deferred.fromCoroutine(watching.run(self.reactor))
            self.add("web1", "opened", user="u1")
            self.store.stop()
            for _ in range(5):
                self.reactor.advance(1)
            self.assertEqual(1, stderr.getvalue().count("; trying again\n"), stderr.getvalue())
            self.store.isAway = False
            self.add("gate2", "opened", user="u2")
            for _ in range(20):
                self.reactor.advance(1)
            self.add("gate2", "opened", user="u3")
            running.addErrback(lambda failure: None)
            running.cancel()
        users = [json.loads(line)["user"] for line in stdout.getvalue().splitlines()]
        self.assertEqual(["u0", "u1", "u2", "u3"], users)
        self.assertEqual(1, stderr.getvalue().count("the engine answers again\n"))

    def test_noEngine(self) -> None:
        """Without the engine at first there is one line."""
        self.store.isAway = True
        self.assertEqual("the engine is away", self.fails("watch"))
        self.assertRaises(EngineError, self.store.connect)
