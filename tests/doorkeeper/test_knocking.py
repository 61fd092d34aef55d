"""Tests of L{pkdoors.doorkeeper.doorkeeper}: knocks, and refusals."""

import random

from twisted.logger import LogLevel

from pkdoors.knocks.knock import Knock
from pkdoors.model.doors import listKnockPorts
from tests.doorkeeper.case import ANN, BOB, KeeperTestCase
from tests.fakes.doors import PORTS, knocks, makeDoor


class KnockTests(KeeperTestCase):
    """
    From knock to opening.
    """

    def knock(self, *knocks: Knock) -> None:
        """Knock."""
        for each in knocks:
            self.keeper.knock(each)

    def test_opens(self) -> None:
        """The right knocks open the door for their source, and only the last of them."""
        self.knock(*knocks(ANN, *PORTS[:-1]))
        self.assertEqual([], self.calls())
        self.knock(*knocks(ANN, PORTS[-1]))
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())

    def test_opensIPv6(self) -> None:
        """The right knocks open over IPv6, too."""
        self.knock(*knocks(BOB, *PORTS))
        self.assertEqual({BOB: 30.0}, self.firewall.open_())

    def test_ports(self) -> None:
        """The knock ports are listed in numeric order, each once: their order is the secret."""
        keeper = self.makeKeeper(makeDoor((9, 5, 7, 5, 8)), makeDoor((5, 1, 2, 3, 4), name="b"))
        self.assertEqual([1, 2, 3, 4, 5, 7, 8, 9], listKnockPorts(keeper.doors))

    def test_secondsAsked(self) -> None:
        """A knock can ask for a time."""
        self.knock(*knocks(ANN, *PORTS, datagram=b"knock 600\n"))
        self.assertEqual(["open 203.0.113.9 until 600"], self.calls())

    def test_timeOfLastKnock(self) -> None:
        """The time begins with the last knock."""
        self.knock(*knocks(ANN, *PORTS[:-1]))
        self.clock.advance(10)
        self.knock(*knocks(ANN, PORTS[-1]))
        self.assertEqual({ANN: 40.0}, self.firewall.open_())

    def test_interleaved(self) -> None:
        """Two clients that knock at the same time each get an opening."""
        for port in PORTS:
            self.knock(*knocks(ANN, port), *knocks(BOB, port))
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.firewall.open_())

    def test_sharedPort(self) -> None:
        """Both doors hear a knock port that they share."""
        other = makeDoor((17001, 5, 6, 7, 8), ports="80", name="web")
        self.keeper = self.makeKeeper(self.door, other)
        self.knock(*knocks(ANN, *PORTS), *knocks(BOB, 17001, 5, 6, 7, 8))
        self.assertEqual(
            [("default", ANN), ("web", BOB)],
            [(each.door.name, str(each.source)) for each in self.keeper.openings()],
        )

    def test_strangePort(self) -> None:
        """A knock on a port of no door does nothing."""
        self.knock(*knocks(ANN, 999))
        self.assertEqual(([], []), (self.calls(), self.log.lines()))

    def test_unexpected(self) -> None:
        """An error while a knock is handled is logged, and does not reach the listener."""
        self.keeper.knock(Knock("no address", PORTS[0], b"knock\n"))
        self.knock(*knocks("no address", *PORTS))
        self.assertEqual(["a knock of no address went wrong"], self.log.lines())
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_unexpectedIsLimited(self) -> None:
        """Such errors are logged once a second at most."""
        for _ in range(3):
            self.knock(*knocks("no address", *PORTS))
        self.clock.advance(1)
        self.knock(*knocks("no address", *PORTS))
        self.assertEqual(2, len(self.flushLoggedErrors(ValueError)))

    def test_garbage(self) -> None:
        """Random datagrams raise nothing, open nothing and log nothing."""
        random_ = random.Random(20261103)
        for _ in range(2000):
            datagram = random_.randbytes(random_.choice((0, 1, 6, 9, 40)))
            self.keeper.knock(Knock(ANN, random_.choice(PORTS), datagram))
        self.assertEqual(([], []), (self.calls(), self.log.lines()))


class RefusalTests(KeeperTestCase):
    """
    Log lines about knocks that do not open.
    """

    def refuse(self, source: str) -> None:
        """Knock wrongly."""
        for knock in knocks(source, PORTS[0], PORTS[2]):
            self.keeper.knock(knock)

    def test_line(self) -> None:
        """A refusal is one line at level info, with door, source and reason."""
        self.refuse(ANN)
        self.assertEqual(
            [
                "refused door default (22/tcp) for 203.0.113.9: "
                "wrong port after 1 of 5 knocks, ignored for 5s"
            ],
            self.log.lines(LogLevel.info),
        )

    def test_oncePerSource(self) -> None:
        """A source gets one line a second, however it knocks."""
        for _ in range(50):
            self.refuse(ANN)
        self.assertEqual(1, len(self.log.lines()))

    def test_countsThoseLeftOut(self) -> None:
        """The next line says how many were left out; the count then begins at 0 again."""
        for _ in range(3):  # five refusals, of which the first is logged
            self.refuse(ANN)
        self.clock.advance(1)
        self.refuse(BOB)
        self.refuse("10.0.0.1")
        reason = "wrong port after 1 of 5 knocks, ignored for 6s"
        self.assertEqual(
            [
                f"refused door default (22/tcp) for 2001:db8::7: {reason} "
                "(4 more lines like this left out)",
                f"refused door default (22/tcp) for 10.0.0.1: {reason}",
            ],
            self.log.lines()[1:],
        )

    def test_inAll(self) -> None:
        """
        Refusals of one kind get ten lines a second, whatever the sources; other kinds get theirs.
        """
        for number in range(1000):
            self.refuse(f"10.0.{number // 256}.{number % 256}")
        lines = self.log.lines(LogLevel.info)
        self.assertEqual(10, len([line for line in lines if "wrong port after 1 of 5" in line]))
        for knock in knocks(ANN, PORTS[0], PORTS[1], PORTS[3]):
            self.keeper.knock(knock)
        self.assertIn(f"for {ANN}: wrong port after 2 of 5", self.log.lines()[-1])

    def test_known(self) -> None:
        """A flood does not hide the refusal of a client that has opened the door before."""
        for knock in knocks(ANN, *PORTS):
            self.keeper.knock(knock)
        for number in range(1000):
            self.refuse(f"10.0.{number // 256}.{number % 256}")
        self.refuse(ANN)
        self.assertIn(f"for {ANN}: wrong port after 1 of 5", self.log.lines()[-1])

    def test_guessing(self) -> None:
        """Wrong orders from everywhere cause one warning, which names no port."""
        for number in range(100):
            self.refuse(f"10.0.0.{number}")
        (line,) = self.log.lines(LogLevel.warn)
        self.assertEqual(
            "somebody may be guessing the order of the knock ports of door default (22/tcp): "
            "10 wrong orders in 1s, from 10 networks. Until that ends, a network that makes a "
            "mistake is ignored for up to 10m. Sealed knocks cannot be guessed",
            line,
        )
        self.assertFalse([port for port in PORTS if str(port) in line])

    def test_noPorts(self) -> None:
        """No refusal names a knock port."""
        self.refuse(ANN)
        self.clock.advance(31)
        for knock in knocks(ANN, *PORTS[:3]):
            self.keeper.knock(knock)
        self.clock.advance(31)
        self.keeper.knock(Knock(ANN, PORTS[3], b"knock\n"))
        text = "\n".join(self.log.lines())
        self.assertIn("too slow: 3 of 5 knocks in 30s", text)
        self.assertFalse([port for port in PORTS if str(port) in text])
