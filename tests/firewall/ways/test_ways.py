"""Tests of L{pkdoors.firewall.ways.ways}."""

import struct
from collections.abc import Generator
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import DirectWay
from pkdoors.firewall.netlink.messages import attribute, text
from pkdoors.firewall.nftables._notifications import Changes
from pkdoors.firewall.ways._xtables import Target
from pkdoors.firewall.ways.forwards import Forward, Forwards, NftName
from pkdoors.firewall.ways.ways import PAUSE, RETRY, SHARE, Throttle, WaysFinder
from pkdoors.model.ports import PortRange
from tests.fakes.log import Log

HERE = ip_address("10.9.3.2")
WEB = [PortRange("tcp", 8080, 8080)]
FOUND = Forwards((Forward("tcp", 8080, 8080, Target(HERE, HERE, (80, 80))),))
WAYS = (DirectWay(HERE, "tcp", 80, 8080),)
NEW_CHAIN, NEW_RULE, NEW_ELEMENT, DELETE_ELEMENT, END = 3, 6, 12, 14, 15
IP, INET, IP6 = 2, 1, 10
OURS = 7


class ThrottleTests(SynchronousTestCase):
    """
    Tests of L{Throttle}.
    """

    def setUp(self) -> None:
        """Make a throttle for work that takes a while."""
        self.clock = Clock()
        self.takes = 0.0
        self.isFailing = False
        self.mistake: Exception | None = None
        self.isWantedAgain = False
        self.others: list[float] = []
        self.turns: list[int] = []
        self.did: list[float] = []
        self.throttle = Throttle(self.clock, self.do)

    def do(self) -> Generator[None, None, bool]:
        """Do the work, in ten portions."""
        self.did.append(self.clock.seconds())
        for _ in range(10):
            self.clock.rightNow += self.takes / 10
            self.clock.callLater(0, self.others.append, self.clock.seconds())
            self.turns.append(len(self.others))
            if self.isWantedAgain:
                self.throttle.want()
            yield
        if self.mistake is not None:
            raise self.mistake
        return self.isFailing

    def test_portions(self) -> None:
        """
        Between long portions others have their turn; the work is done only once more, however often
        it is wanted meanwhile.
        """
        self.takes, self.isWantedAgain = 1.0, True
        self.throttle.want()
        self.clock.advance(0)
        self.assertEqual(list(range(10)), self.turns)
        self.assertEqual([0.0], self.did)
        self.clock.advance(SHARE)
        self.assertEqual([0.0, 1 + SHARE], [round(moment, 6) for moment in self.did])

    def test_mistake(self) -> None:
        """A bug of ours is logged, and the work is done again."""
        self.mistake = ValueError("no")
        self.throttle.want()
        self.clock.advance(0)
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))
        self.mistake = None
        self.clock.advance(RETRY)
        self.assertEqual(2, len(self.did))

    def test_waits(self) -> None:
        """Work can wait for an answer, or for an error; it does not begin again meanwhile."""
        answers: list[Deferred[int]] = []
        found: list[object] = []

        def wait() -> Generator[Deferred[int] | None, Any, bool]:
            for _ in range(2):
                answers.append(Deferred())
                try:
                    found.append((yield answers[-1]))
                except ValueError as error:
                    found.append(str(error))
                yield None
            return False

        self.throttle = Throttle(self.clock, wait)
        self.throttle.want()
        self.clock.advance(0)
        self.throttle.want()
        self.clock.advance(100)
        self.assertEqual((1, []), (len(answers), found))
        answers[0].callback(7)
        answers[1].errback(ValueError("no"))
        self.assertEqual([7, "no"], found)
        self.clock.advance(1000)
        self.assertEqual(3, len(answers))
        self.throttle.stop()
        answers[2].callback(8)
        self.assertEqual(2, len(found))

    def test_atOnce(self) -> None:
        """The work is done soon after it is wanted, in a turn of its own."""
        self.throttle.want()
        self.assertEqual([], self.did)
        self.clock.advance(0)
        self.assertEqual([0.0], self.did)

    def test_pause(self) -> None:
        """
        However often the work is wanted, there is a pause; work that is wanted during the pause is
        done after it.
        """
        for _ in range(100):
            self.throttle.want()
            self.throttle.want()
            self.clock.advance(0.01)
        self.assertEqual(5, len(self.did))
        self.assertTrue(all(b - a >= PAUSE for a, b in zip(self.did, self.did[1:], strict=False)))
        self.clock.advance(PAUSE)
        self.assertEqual(6, len(self.did))
        self.clock.advance(100)
        self.assertEqual(6, len(self.did))

    def test_slow(self) -> None:
        """After long work the pause is longer, so the work takes a tenth of the time."""
        self.takes = 1.0
        while self.clock.seconds() < 100:
            self.throttle.want()
            self.clock.advance(0.1)
        self.assertTrue(5 <= len(self.did) <= 1 + 100 / (1 + SHARE))

    def test_failed(self) -> None:
        """Failed work is done again."""
        self.isFailing = True
        self.throttle.want()
        self.clock.advance(0)
        self.clock.advance(RETRY)
        self.assertEqual(2, len(self.did))
        self.isFailing = False
        self.clock.advance(RETRY)
        self.clock.advance(100)
        self.assertEqual(3, len(self.did))

    def test_stop(self) -> None:
        """After the stop no work is done."""
        self.throttle.stop()
        self.throttle.want()
        self.throttle.stop()
        self.clock.advance(100)
        self.assertEqual([], self.did)


class WaysLookTests(SynchronousTestCase):
    """
    Tests of L{WaysFinder}.
    """

    def setUp(self) -> None:
        """Have a host that forwards one port."""
        self.log = Log(self)
        self.forwards: Forwards | FirewallError = FOUND
        self.attended: list[Forwards | None] = []
        self.look = WaysFinder(self.read, self.attended.append)

    def read(self) -> Generator[None, None, Forwards]:
        """Read the forwards."""
        yield
        if isinstance(self.forwards, FirewallError):
            raise self.forwards
        return self.forwards

    def test_find(self) -> None:
        """The ways are those past the protected ports; the monitor gets the forwards."""
        self.assertEqual(WAYS, self.look.find(WEB, ()))
        self.assertEqual((), self.look.find([PortRange("tcp", 22, 22)], WAYS))
        self.assertEqual([None, FOUND, None, FOUND], self.attended)

    def test_unread(self) -> None:
        """If the kernel's rules cannot be read, the known ways stay; that is logged once."""
        self.forwards = FirewallError("no")
        for _ in range(3):
            self.assertEqual(WAYS, self.look.find(WEB, WAYS))
            self.assertTrue(self.look.isFailing)
        (line,) = self.log.lines()
        self.assertIn("(no)", line)
        self.forwards = FOUND
        self.look.find(WEB, ())
        self.assertFalse(self.look.isFailing)
        self.forwards = FirewallError("no")
        self.look.find(WEB, ())
        self.assertEqual(2, len(self.log.lines()))

    def test_cut(self) -> None:
        """If there is too much to read, that is logged once, until all can be read again."""
        for isCut in (True, True, False, True):
            self.forwards = Forwards(FOUND.found, isCut=isCut)
            self.look.find(WEB, ())
        self.assertEqual(2, sum("can be reached" in line for line in self.log.lines()))

    def test_report(self) -> None:
        """The operator reads one line, however many ways there are."""
        six = [DirectWay(ip_address("fd09:3::2"), "tcp", port, 8080) for port in range(1, 10)]
        self.look.report((), WAYS)
        self.look.report(WAYS, WAYS)
        self.look.report(WAYS, (*WAYS, *six))
        self.look.report(WAYS, six[:1])
        one, many, another = self.log.lines()
        self.assertIn("guarding 10.9.3.2:80 (as 8080/tcp)", one)
        self.assertIn("[fd09:3::2]:4 (as 8080/tcp) and 5 more", many)
        self.assertNotIn("10.9.3.2", many)
        self.assertIn("guarding [fd09:3::2]:1 (as 8080/tcp); no longer 10.9.3.2:80", another)


class MovedTests(SynchronousTestCase):
    """
    The changes that L{Changes} counts as changes of the forwards.
    """

    def setUp(self) -> None:
        """Have some known forwards."""
        self.changes = Changes("pkdoors", OURS)
        sets = frozenset({NftName(IP, "nat", "ports")})
        self.changes.attend(Forwards((), frozenset({NftName(IP, "nat")}), sets))

    def moved(self, kind: int, family: int, table: str, more: bytes = b"", port: int = 1) -> bool:
        """Return whether a message is a change of the forwards."""
        for readNumber, body in ((kind, text(1, table) + more), (END, text(3, "nft"))):
            head = (20 + len(body), 10 << 8 | readNumber, 0, 0, port, family, 0, 0)
            self.assertEqual([], self.changes.feed(struct.pack("=IHHIIBBH", *head) + body))
        moved = self.changes.newForwarding()
        self.assertFalse(self.changes.newForwarding())
        return moved

    def test_table(self) -> None:
        """Any change of a table that forwards counts; changes of another do not."""
        self.assertTrue(self.moved(NEW_RULE, IP, "nat"))
        self.assertFalse(self.moved(NEW_RULE, IP, "filter"))
        self.assertFalse(self.moved(NEW_RULE, IP6, "nat"))

    def test_newChain(self) -> None:
        """A new chain for NAT counts in any table; other chains do not."""
        for family in (IP, IP6, INET):
            self.assertTrue(self.moved(NEW_CHAIN, family, "new", text(7, "nat")))
            self.assertFalse(self.moved(NEW_CHAIN, family, "new", text(7, "filter")))
            self.assertFalse(self.moved(NEW_CHAIN, family, "new"))

    def test_elements(self) -> None:
        """
        Of elements, only those of sets in which the rules look up ports count: others may be many.
        """
        for kind in (NEW_ELEMENT, DELETE_ELEMENT):
            self.assertTrue(self.moved(kind, IP, "nat", text(2, "ports") + attribute(3, b"")))
            self.assertFalse(self.moved(kind, IP, "nat", text(2, "blocked")))
            self.assertFalse(self.moved(kind, IP6, "nat", text(2, "ports")))

    def test_any(self) -> None:
        """Any change counts until the forwards are known."""
        self.changes.attend(None)
        self.assertTrue(self.moved(NEW_ELEMENT, INET, "filter", text(2, "blocked")))
        self.assertFalse(self.moved(NEW_RULE, IP, "nat", port=OURS))

    def test_ours(self) -> None:
        """Our own changes do not count."""
        self.assertFalse(self.moved(NEW_RULE, IP, "nat", port=OURS))
