"""Tests of L{pkdoors.doorkeeper._hearing}: the trace of everyone who tried and failed."""

import re

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel

from pkdoors.config.config import Config
from pkdoors.doorkeeper._hearing import MAX_LOGGED, MAX_LOGGED_OF_ONE
from pkdoors.doorkeeper._refusing import MAX_UNFINISHED
from pkdoors.events.event import UNFINISHED
from pkdoors.knocks.knock import Knock
from tests.doorkeeper.case import ANN, BOB, KeeperTestCase
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import PORTS, knocks

TIMEOUT = 30.0


class TraceTests(KeeperTestCase):
    """
    Lines about tries without success.
    """

    def knock(self, source: str, *ports: int) -> None:
        """Knock."""
        for each in knocks(source, *ports):
            self.keeper.knock(each)

    def traces(self) -> list[str]:
        """Return the lines about tries without success."""
        return [line for line in self.log.lines(LogLevel.info) if "stays closed" in line]

    def test_line(self) -> None:
        """Within the time for all knocks, a client that failed has one line, and an event."""
        self.knock(ANN, *PORTS[:2])
        self.clock.pump([1.0] * 29)
        self.assertEqual([], self.traces())
        self.clock.pump([1.0] * 2)
        self.assertEqual(
            ["door default (22/tcp) stays closed for 203.0.113.9: 2 of 5 knocks came within 30s"],
            self.traces(),
        )
        (event,) = [event for event in self.events if event.kind == UNFINISHED]
        self.assertEqual((ANN, self.door), (event.source, event.door))
        self.clock.pump([1.0] * 100)
        self.assertEqual(1, len(self.traces()))

    def test_idle(self) -> None:
        """Nothing runs if nobody knocks, and nothing runs any more when all has been told."""
        self.assertEqual([], self.clock.getDelayedCalls())
        self.knock(ANN, PORTS[1])
        self.clock.pump([1.0] * 31)
        self.assertEqual((1, []), (len(self.traces()), self.clock.getDelayedCalls()))

    def test_open(self) -> None:
        """A client that opens the door has no such line."""
        self.knock(ANN, *PORTS)
        self.clock.pump([1.0] * 70)
        self.assertEqual([], self.traces())

    def test_flood(self) -> None:
        """
        A flood has a few lines a second, whatever it knocks; all else is counted, and a client that
        came further is told nevertheless.
        """
        for number in range(3000):
            self.knock(f"10.0.{number >> 8}.{number & 255}", PORTS[number % 2])
        self.knock(ANN, *PORTS[:3])
        for number in range(3000):
            self.knock(f"10.1.{number >> 8}.{number & 255}", PORTS[number % 2])
        self.clock.pump([1.0] * 31)
        lines = self.traces()
        self.assertEqual(MAX_UNFINISHED, len(lines))
        self.assertIn(f"{ANN}: 3 of 5 knocks came within 30s", lines[0])
        self.knock(BOB, PORTS[0])
        self.clock.pump([1.0] * 31)
        more = re.findall(r" \(([0-9]+) more lines like this left out\)", "\n".join(self.traces()))
        # One client may count as left out when it begins, and be told when it has come further.
        self.assertIn(sum(map(int, more)), (6001 - MAX_UNFINISHED, 6002 - MAX_UNFINISHED))

    def test_known(self) -> None:
        """A client that has opened a door before comes first."""
        self.knock(ANN, *PORTS)
        for number in range(300):
            self.knock(f"10.0.{number >> 8}.{number & 255}", *PORTS[:4])
        self.knock(ANN, PORTS[0])
        self.clock.pump([1.0] * 31)
        self.assertIn(f"{ANN}: 1 of 5 knocks came", self.traces()[0])

    def test_oneNetwork(self) -> None:
        """One network with many addresses hides nobody, though it has come further."""
        self.knock("2001:db8:1::1", *PORTS)
        for number in range(2, 200):
            self.knock(f"2001:db8:1::{number:x}", *PORTS[:4])
        for source in (BOB, ANN):
            self.knock(source, PORTS[0])
        self.clock.pump([1.0] * 31)
        first, *others = self.traces()
        self.assertIn(" for 2001:db8:1::", first)
        self.assertEqual(MAX_UNFINISHED, 1 + len(others))
        for source, line in zip((BOB, ANN), others, strict=False):
            self.assertIn(f"{source}: 1 of 5 knocks came", line)

    def test_stop(self) -> None:
        """A daemon that stops has no timer for that."""
        self.knock(ANN, PORTS[0])
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))
        self.assertEqual([], self.clock.getDelayedCalls())


class LogKnocksTests(KeeperTestCase):
    """
    C{--log-knocks}: the verdict of each datagram.
    """

    def setUp(self) -> None:
        """Make such a doorkeeper."""
        super().setUp()
        config = Config((self.door,), logKnocks=True)
        self.keeper = MemoryDaemon(self.clock, [self.firewall], config).keeper

    def lines(self) -> list[str]:
        """Return the lines about datagrams."""
        return self.log.lines(LogLevel.debug)

    def test_verdicts(self) -> None:
        """Each datagram has a line with what it is, and what each door makes of it."""
        for knock in knocks(ANN, *PORTS):
            self.keeper.knock(knock)
        for knock in knocks(BOB, PORTS[0], PORTS[3], PORTS[0]):
            self.keeper.knock(knock)
        junk = b"\x1b[2J\n" * 100
        self.keeper.knock(Knock(ANN, PORTS[0], b""))
        self.keeper.knock(Knock(ANN, 9, junk))
        start = "datagram from 203.0.113.9, 6 bytes, b'knock\\n': door default: "
        other = start.replace(ANN, BOB)
        self.assertEqual(
            [
                *(f"{start}knock {number} of 5" for number in (1, 2, 3, 4)),
                f"{start}knock 5 of 5, asks to open the door",
                f"{other}knock 1 of 5",
                f"{other}refused: wrong port after 1 of 5 knocks, ignored for 5s",
                f"{other}refused: ignored for another 5s",
                "datagram from 203.0.113.9, 0 bytes, b'': door default: not a plain knock",
                f"datagram from 203.0.113.9, 500 bytes, {junk[:64]!r}: no door has this port",
            ],
            self.lines(),
        )

    def test_noPort(self) -> None:
        """No line has a port: all together they would be the sequence."""
        for knock in [*knocks(ANN, *PORTS), *knocks(BOB, *reversed(PORTS))]:
            self.keeper.knock(knock)
        for port in PORTS:
            self.assertNotIn(str(port), "\n".join(self.log.lines()))

    def test_limited(self) -> None:
        """Garbage is logged with a limit, for each source and for all; the rest is counted."""
        for _ in range(1000):
            self.keeper.knock(Knock(ANN, PORTS[0], b"garbage"))
        self.assertEqual(MAX_LOGGED_OF_ONE, len(self.lines()))
        for number in range(1000):
            self.keeper.knock(Knock(f"10.0.{number >> 8}.{number & 255}", PORTS[0], b"garbage"))
        self.assertEqual(MAX_LOGGED, len(self.lines()))
        self.clock.advance(1)
        self.keeper.knock(Knock(ANN, PORTS[0], b"garbage"))
        more = re.findall(r" \(([0-9]+) more datagrams not logged\)", "\n".join(self.lines()))
        self.assertEqual(2000 - MAX_LOGGED, sum(map(int, more)))

    def test_limitedStillHeard(self) -> None:
        """A knock that is not logged is heard."""
        for _ in range(1000):
            self.keeper.knock(Knock(ANN, PORTS[0], b"garbage"))
        for knock in knocks(ANN, *PORTS):
            self.keeper.knock(knock)
        self.assertEqual({ANN: 30.0}, self.firewall.open_())
