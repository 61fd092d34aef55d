"""Tests of L{pkdoors.doorkeeper.doorkeeper} and L{pkdoors.doorkeeper._life}."""

import random
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.doorkeeper import admission
from pkdoors.doorkeeper.admission import MAX_OPENED, MAX_OPENINGS
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.errors import FirewallError
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.stack import FirewallStack
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Lock, Refusal, Request
from pkdoors.model.doors import Door, Opening, listKnockPorts
from pkdoors.model.principal import NOBODY, OPERATOR, Principal
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import PORTS, knocks, makeDoor, makeOpening
from tests.fakes.firewall import FakeFirewall
from tests.fakes.log import Log, useUTC

ANN, BOB = "203.0.113.9", "2001:db8::7"
BUSY = FirewallError("firewall is busy")

CANNOT_OPEN = "cannot open door default (22/tcp) for 203.0.113.9, retrying: firewall is busy"
CANNOT_CLOSE = CANNOT_OPEN.replace("open", "close")


class FakeFirewallTests(SynchronousTestCase):
    """
    The fake firewall that these tests rely on.
    """

    def test_interface(self) -> None:
        """The fake provides L{IFirewall}."""
        verifyObject(IFirewall, FakeFirewall(Clock()))

    def test_timer(self) -> None:
        """The fake closes a door by itself at the deadline."""
        clock = Clock()
        firewall = FakeFirewall(clock)
        self.successResultOf(firewall.open(makeOpening(ANN, deadline=30.0)))
        clock.advance(29)
        self.assertEqual({ANN: 30.0}, firewall.open_())
        clock.advance(1)
        self.assertEqual({}, firewall.open_())

    def test_oneCallAtATime(self) -> None:
        """The fake rejects a call for an opening while it is busy with that opening."""
        firewall = FakeFirewall(Clock())
        firewall.holding = True
        firewall.open(makeOpening(ANN))
        self.assertRaises(AssertionError, firewall.close, makeOpening(ANN))


class KeeperTestCase(SynchronousTestCase):
    """
    A door that opens for 30 s, an hour at most, at 8 o'clock in the morning.
    """

    def setUp(self) -> None:
        """Make the doorkeeper."""
        useUTC(self)
        self.log = Log(self)
        self.clock = Clock()
        self.firewall = FakeFirewall(self.clock)
        self.door = makeDoor()
        self.keeper = self.makeKeeper(self.door)

    def makeKeeper(self, *doors: Door) -> Doorkeeper:
        """Return a doorkeeper with some doors."""
        daemon = MemoryDaemon(self.clock, [self.firewall], doors)
        self.events = daemon.events
        return daemon.keeper

    def request(self, seconds: int = 0, source: str = ANN) -> None:
        """Request an opening, as a lock does."""
        self.keeper.request(Request(self.door, source, seconds))

    def calls(self) -> list[str]:
        """Return the calls to the firewall since the last time."""
        calls, self.firewall.calls = self.firewall.calls, []
        return calls

    def openings(self) -> list[tuple[str, float]]:
        """Return source and deadline of each opening that the doorkeeper knows."""
        return [(str(each.source), each.deadline) for each in self.keeper.openings()]


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
                "wrong port after 1 of 5 knocks, ignored for 5 s"
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
        reason = "wrong port after 1 of 5 knocks, ignored for 5.2 s"
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
        self.assertIn("too slow: 3 of 5 knocks in 30 s", text)
        self.assertFalse([port for port in PORTS if str(port) in text])


class OpeningTests(KeeperTestCase):
    """
    The life of an opening if nothing goes wrong.
    """

    def test_defaultTime(self) -> None:
        """A client that asks for no time gets the door's time."""
        self.request()
        self.assertEqual({ANN: 30.0}, self.firewall.open_())

    def test_shorterTime(self) -> None:
        """A client can ask for less than the door's time."""
        self.request(5)
        self.assertEqual({ANN: 5.0}, self.firewall.open_())

    def test_cap(self) -> None:
        """A client that asks for more than the maximum gets the maximum."""
        self.request(999_999_999)
        self.assertEqual({ANN: 3600.0}, self.firewall.open_())

    def test_openedLine(self) -> None:
        """An opening is one line at level info, with the time of day and the duration."""
        self.request(90)
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:01:30 (1m30s)"],
            self.log.lines(LogLevel.info),
        )

    def test_notBeforeItIsOpen(self) -> None:
        """The line is written when the firewall has opened, not when it was asked to."""
        self.firewall.holding = True
        self.request()
        self.assertEqual([], self.log.lines())
        self.firewall.answer()
        self.assertEqual(1, len(self.log.lines()))

    def test_closesAtTheDeadline(self) -> None:
        """The door closes at the deadline, and not a moment before."""
        self.request()
        self.clock.pump([29.999])
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())
        self.clock.pump([0.001])
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_closedLine(self) -> None:
        """A closing is one line at level info."""
        self.request()
        self.clock.advance(30)
        self.assertEqual(
            ["closed door default (22/tcp) for 203.0.113.9"], self.log.lines(LogLevel.info)[1:]
        )

    def test_nothingIsLeft(self) -> None:
        """After the closing nothing is remembered, and no timer runs."""
        self.request()
        self.clock.advance(30)
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))

    def test_openings(self) -> None:
        """The doorkeeper lists what is open."""
        self.request()
        self.assertEqual(
            [Opening(self.door, ip_address("203.0.113.9"), 30.0)], self.keeper.openings()
        )

    def test_openAgain(self) -> None:
        """A door can be opened again after it has closed."""
        self.request()
        self.clock.advance(100)
        self.calls()
        self.request()
        self.assertEqual(["open 203.0.113.9 until 130"], self.calls())

    def test_twoSources(self) -> None:
        """The opening of each source ends at its own time."""
        self.request()
        self.clock.advance(10)
        self.request(source=BOB)
        self.clock.advance(20)
        self.assertEqual({BOB: 40.0}, self.firewall.open_())
        self.assertEqual([(BOB, 40.0)], self.openings())

    def test_twoWritings(self) -> None:
        """Two spellings of an address are one source."""
        self.request(source="2001:db8::7")
        self.request(seconds=60, source="2001:0DB8:0:0::7")
        self.assertEqual([(BOB, 60.0)], self.openings())


class ExtensionTests(KeeperTestCase):
    """
    Knocks while the door is already open.
    """

    def test_extends(self) -> None:
        """One call moves the deadline, and the door closes once, at the new one."""
        self.request()
        self.clock.advance(20)
        self.request()
        self.clock.pump([10, 19.5])
        self.assertEqual(["open 203.0.113.9 until 30", "open 203.0.113.9 until 50"], self.calls())
        self.clock.pump([0.5, 100])
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_line(self) -> None:
        """An extension is one line, with the new end."""
        self.request()
        self.clock.advance(20)
        self.request(600)
        self.assertEqual(
            ["extended door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:10:20 (10m)"],
            self.log.lines()[1:],
        )

    def test_noDuplicate(self) -> None:
        """An extended opening remains one opening."""
        self.request()
        self.request(60)
        self.assertEqual([(ANN, 60.0)], self.openings())

    def test_neverShortens(self) -> None:
        """A request for less than is left changes nothing, and logs nothing."""
        self.request(600)
        self.request(30)
        self.assertEqual([(ANN, 600.0)], self.openings())
        self.assertEqual(["open 203.0.113.9 until 600"], self.calls())
        self.assertEqual(1, len(self.log.lines()))

    def test_sameDeadline(self) -> None:
        """A request for the same end is not an extension."""
        self.request()
        self.request()
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())

    def test_cap(self) -> None:
        """An extension has a maximum, too, counted from the request."""
        self.request(3600)
        self.clock.advance(1000)
        self.request(3600)
        self.request(7200)
        self.assertEqual([(ANN, 4600.0)], self.openings())

    def test_failed(self) -> None:
        """
        If an extension fails, the old deadline counts until it succeeds; one line at level error.
        """
        self.request()
        self.clock.advance(20)
        self.firewall.failures = [BUSY, BUSY]
        self.request()
        self.clock.advance(1)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.assertEqual([CANNOT_OPEN], self.log.lines(LogLevel.error))
        self.clock.advance(2)
        self.assertEqual([(ANN, 50.0)], self.openings())
        self.assertIn("extended door", self.log.lines()[-1])

    def test_failedEndsAtTheOldDeadline(self) -> None:
        """While an extension fails, nothing is open after the old deadline."""
        self.request()
        self.clock.advance(20)
        self.firewall.failures = [BUSY] * 100
        self.request()
        self.clock.pump([1] * 10)
        self.assertEqual(([], {}), (self.openings(), self.firewall.open_()))

    def test_afterFailed(self) -> None:
        """After a failed extension, the next one may succeed."""
        self.request()
        self.firewall.failures = [BUSY]
        self.request(60)
        self.request(60)
        self.assertEqual({ANN: 60.0}, self.firewall.open_())


class KnownKnockerTests(KeeperTestCase):
    """
    Requests from locks that know who knocks.
    """

    def ask(self, **fields: Any) -> None:
        """Request an opening, as a lock does."""
        defaults: dict[str, Any] = {"door": self.door, "source": ANN, "seconds": 0}
        fields["who"] = Principal(fields.get("who", ""))
        self.keeper.request(Request(**(defaults | fields)))

    def test_most(self) -> None:
        """A client with a limit of its own gets no more than that."""
        self.ask(seconds=900, most=600.0)
        self.assertEqual({ANN: 600.0}, self.firewall.open_())

    def test_mostOfTheDefault(self) -> None:
        """The limit applies to the door's own time, too."""
        self.ask(most=10.0)
        self.assertEqual({ANN: 10.0}, self.firewall.open_())

    def test_mostIsNoWish(self) -> None:
        """A limit above the door's maximum gives no more than the door allows."""
        self.ask(seconds=60, most=600.0)
        self.ask(seconds=999_999, most=999_999.0, source=BOB)
        self.assertEqual({ANN: 60.0, BOB: 3600.0}, self.firewall.open_())

    def test_mostShortensNothing(self) -> None:
        """A client with a lower limit does not shorten an opening; only a close does."""
        self.ask(seconds=900)
        self.ask(most=10.0)
        self.assertEqual({ANN: 900.0}, self.firewall.open_())

    def test_who(self) -> None:
        """The line of an opening ends with the name of the client."""
        self.ask(who="anna (SHA256:x)")
        self.assertEqual(
            [
                "opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:00:30 (30s), "
                "by anna (SHA256:x)"
            ],
            self.log.lines(),
        )

    def test_whoExtends(self) -> None:
        """The line of an extension ends with the name of the client that extended it."""
        self.ask(who="anna")
        self.ask(who="bob", seconds=60)
        self.assertTrue(self.log.lines()[-1].endswith("08:01:00 (1m), by bob"))

    def test_nobodyKnows(self) -> None:
        """If the client is unknown, the line does not mention one."""
        self.ask(who="anna")
        self.ask(seconds=60)
        self.assertTrue(self.log.lines()[-1].endswith("08:01:00 (1m)"))

    def test_braces(self) -> None:
        """A key's comment is never used as a format."""
        self.ask(who="{door} {0}")
        self.assertTrue(self.log.lines()[0].endswith(", by {door} {0}"))

    def test_timeOfDay(self) -> None:
        """A lock gets the time of day beside the clock that does not jump."""
        heard: list[tuple[Knock, float, float]] = []

        class Listening:
            door = self.door

            def knock(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
                heard.append((knock, now, today))
                return None

            def __len__(self) -> int:
                return 0

        def makeLock(door: Door) -> Lock:
            return Listening()

        stack = FirewallStack(self.clock, [self.firewall])
        keeper = Doorkeeper(self.clock, stack, [self.door], EventPublisher(lambda: 1.8e9), makeLock)
        self.clock.advance(7)
        (knock,) = knocks(ANN, PORTS[0])
        keeper.knock(knock)
        self.assertEqual([(knock, 7.0, 1.8e9)], heard)


class CloseTests(KeeperTestCase):
    """
    Requests to close.
    """

    def close(self, source: str = ANN, door: Door | None = None, who: str = "") -> None:
        """Request a close."""
        self.keeper.request(Request(door or self.door, source, 0, who=Principal(who), close=True))

    def test_line(self) -> None:
        """The log says once who asked to close."""
        self.request()
        self.close(who="anna (SHA256:x)")
        closed = "closed door default (22/tcp) for 203.0.113.9"
        self.assertEqual(f"{closed}, asked to by anna (SHA256:x)", self.log.lines()[-1])
        self.request()
        self.clock.advance(30)
        self.assertEqual(closed, self.log.lines()[-1])

    def test_whoseItWas(self) -> None:
        """
        The log of a closing names the client that had it open, whoever asked and however it ended.
        """
        for end in (lambda: self.close(who="anna"), lambda: self.clock.advance(30)):
            self.keeper.request(Request(self.door, ANN, 0, who=Principal("anna")))
            end()
            self.assertEqual(("closed", "anna"), (self.events[-1].kind, self.events[-1].who.name))
        reasons = [each.reason for each in self.events if each.kind == "closed"]
        self.assertEqual(["asked to by anna", "its time is over"], reasons)

    def test_askedBeforeItOpened(self) -> None:
        """
        If the firewall refuses to open until a close is requested, the log says so, with the
        reason.
        """
        self.firewall.failures = [BUSY]
        self.request()
        self.close(who="bob")
        self.assertEqual(
            "door default (22/tcp) never opened for 203.0.113.9: asked to by bob",
            self.log.lines()[-1],
        )

    def test_openedTooLate(self) -> None:
        """An opening that is closed while the firewall still opens it is not logged as opened."""
        self.firewall.holding = True
        self.request()
        self.close(who="bob")
        self.firewall.holding = False
        self.firewall.answer()
        self.assertEqual(["unopened"], [each.kind for each in self.events])
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_closes(self) -> None:
        """A close ends the opening at once, and leaves nothing."""
        self.request(600)
        self.clock.advance(10)
        self.close()
        self.assertEqual(["open 203.0.113.9 until 600", "close 203.0.113.9"], self.calls())
        self.clock.advance(0)
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))
        self.assertEqual("closed door default (22/tcp) for 203.0.113.9", self.log.lines()[-1])

    def test_notAnothers(self) -> None:
        """
        No key closes what another key, or the operator, opened: two people may share an address,
        and the address of a datagram may be faked.
        """
        anna, bob = Principal("anna", "SHA256:a"), Principal("anna", "SHA256:b")
        for opener in (anna, OPERATOR):
            self.keeper.request(Request(self.door, ANN, 600, who=opener))
            self.keeper.request(Request(self.door, ANN, 0, who=bob, close=True))
            self.assertEqual([(ANN, 600.0 + self.clock.seconds())], self.openings())
            self.assertIn(
                f"anna (SHA256:b) cannot close what {opener} opened", self.log.lines()[-1]
            )
            self.clock.advance(600)
        self.keeper.request(Request(self.door, ANN, 600, who=anna))
        self.keeper.request(Request(self.door, ANN, 0, who=replace(anna, name=""), close=True))
        self.assertEqual([], self.openings())

    def test_onlyItsOwn(self) -> None:
        """A close leaves openings of other sources alone."""
        self.request()
        self.request(source=BOB)
        self.close()
        self.assertEqual({BOB: 30.0}, self.firewall.open_())
        self.assertEqual([(BOB, 30.0)], self.openings())

    def test_onlyThatDoor(self) -> None:
        """A close leaves the same source's opening of another door alone."""
        other = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, other)
        self.request()
        self.keeper.request(Request(other, ANN, 0))
        self.close(door=other)
        self.assertEqual(["default"], [each.door.name for each in self.keeper.openings()])

    def test_nothingIsOpen(self) -> None:
        """A close of nothing is ignored: no call, no line, no opening."""
        self.close()
        self.request(source=BOB)
        self.calls()
        self.close()
        self.assertEqual(([], [(BOB, 30.0)]), (self.calls(), self.openings()))
        self.assertEqual(1, len(self.log.lines()))

    def test_twice(self) -> None:
        """A second close does nothing."""
        self.request()
        self.close()
        self.calls()
        self.close()
        self.assertEqual(([], 2), (self.calls(), len(self.log.lines())))

    def test_opensAgain(self) -> None:
        """After a close the door can be opened again."""
        self.request()
        self.close()
        self.clock.advance(5)
        self.request()
        self.assertEqual({ANN: 35.0}, self.firewall.open_())

    def test_whileItOpens(self) -> None:
        """A close cancels an opening that the firewall is still busy with, and closes it."""
        self.firewall.holding = True
        for self.firewall.hasBegun in (False, True):
            self.request()
            self.close()
            self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
            self.firewall.answerAll()
            self.assertEqual({}, self.firewall.open_())
        self.assertEqual(2, "".join(self.log.lines()).count("never opened"))

    def test_whileItCloses(self) -> None:
        """A client that knocks while its opening closes is let in again."""
        self.request()
        self.firewall.holding = True
        self.close()
        self.request(60)
        self.firewall.holding = False
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_neverOpened(self) -> None:
        """A close gives up an opening that the firewall refuses, and still takes it back."""
        self.firewall.failures = [BUSY]
        self.request()
        self.close()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.clock.advance(60)
        self.assertEqual(([], []), (self.calls(), self.openings()))

    def test_reasonIsForgotten(self) -> None:
        """
        If a client is let in again during a close, a later closing does not name who asked for the
        first.
        """
        self.request()
        self.firewall.failures = [BUSY]
        self.close(who="anna")
        self.request()
        self.clock.advance(30)
        self.assertEqual("closed door default (22/tcp) for 203.0.113.9", self.log.lines()[-1])

    def test_reasonWhileItCloses(self) -> None:
        """The log says who asked to close even if a client is let in again meanwhile."""
        self.request()
        self.firewall.holding = True
        self.close(who="anna")
        self.request(60)
        self.firewall.holding = False
        self.firewall.answer()
        self.assertIn(
            "closed door default (22/tcp) for 203.0.113.9, asked to by anna", self.log.lines()
        )

    def test_fails(self) -> None:
        """
        A failed close is tried again until it succeeds; meanwhile the opening does not count as
        open.
        """
        self.request()
        self.firewall.failures = [BUSY, BUSY]
        self.close()
        self.assertEqual([], self.openings())
        self.clock.pump([1.0] * 5)
        self.assertEqual(3, self.calls().count("close 203.0.113.9"))
        self.assertEqual([CANNOT_CLOSE], self.log.lines(LogLevel.error))

    def test_whenFull(self) -> None:
        """A close works even if no more can be opened."""
        self.patch(admission, "MAX_OPENINGS", 1)
        self.request()
        self.close()
        self.assertEqual({}, self.firewall.open_())

    def test_takenOver(self) -> None:
        """An opening that an earlier daemon left can be closed."""
        self.firewall.before = [makeOpening(ANN, deadline=12.0)]
        self.keeper.start()
        self.close()
        self.assertEqual(["start", "close 203.0.113.9"], self.calls())


class FailedOpenTests(KeeperTestCase):
    """
    A firewall that fails to open.
    """

    def test_notCounted(self) -> None:
        """An opening that failed does not count as open."""
        self.firewall.failures = [BUSY]
        self.request()
        self.assertEqual([], self.openings())

    def test_line(self) -> None:
        """
        A failure to open is one line at level error, with the firewall's reason, however often it
        is tried.
        """
        self.firewall.failures = [BUSY] * 4
        self.request()
        self.clock.pump([1, 2, 4])
        self.assertEqual([CANNOT_OPEN], self.log.lines())
        self.assertEqual(["error"], self.log.levels())

    def test_retries(self) -> None:
        """The daemon tries again after 1, 2 and 4 seconds, with the deadline that was earned."""
        self.firewall.failures = [BUSY] * 3
        self.request()
        self.clock.pump([1, 2, 3.9])
        self.assertEqual(["open 203.0.113.9 until 30"] * 3, self.calls())
        self.clock.advance(0.1)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.assertIn("opened door", self.log.lines()[-1])

    def test_tooLate(self) -> None:
        """When the time is over the daemon gives up, closes whatever may be open, and logs that."""
        self.firewall.failures = [BUSY] * 5
        self.request()
        self.clock.pump([1, 2, 4, 8, 14.9])
        self.calls()
        self.clock.advance(0.1)
        self.assertEqual(["close 203.0.113.9"], self.calls())
        self.assertEqual(
            "door default (22/tcp) never opened for 203.0.113.9: its time is over",
            self.log.lines()[-1],
        )
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_healed(self) -> None:
        """When the firewall works again the daemon tries at once."""
        self.keeper.start()
        self.firewall.failures = [BUSY] * 3
        self.request()
        self.clock.pump([1, 2])
        self.firewall.flush("firewalld is back")
        self.clock.advance(0)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.clock.advance(27)
        self.assertEqual([], self.openings())

    def test_again(self) -> None:
        """After a failure the next knock may open."""
        self.firewall.failures = [BUSY]
        self.request()
        self.request()
        self.assertEqual({ANN: 30.0}, self.firewall.open_())

    def test_unexpected(self) -> None:
        """A mistake in the firewall's code is logged with its traceback, besides that line."""
        self.firewall.failures = [RuntimeError("oops")]
        self.request()
        self.assertEqual(
            [
                "cannot open door default (22/tcp) for 203.0.113.9, retrying: oops",
                "that was unexpected",
            ],
            self.log.lines(),
        )
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_unexpectedExtension(self) -> None:
        """A mistake during an extension does not lose the opening: it closes in time."""
        self.request()
        self.firewall.failures = [RuntimeError("oops")]
        self.request(60)
        self.flushLoggedErrors(RuntimeError)
        self.calls()
        self.clock.pump([1, 59])
        self.assertEqual(["open 203.0.113.9 until 60", "close 203.0.113.9"], self.calls())


class FailedCloseTests(KeeperTestCase):
    """
    A firewall that fails to close.
    """

    def setUp(self) -> None:
        """Open, and fail to close three times."""
        super().setUp()
        self.request()
        self.firewall.failures = [BUSY, BUSY, BUSY]
        self.clock.advance(30)
        self.calls()

    def test_line(self) -> None:
        """A failure to close is one line at level error, however often it is tried."""
        self.clock.pump([1, 2])
        self.assertEqual([CANNOT_CLOSE], self.log.lines(LogLevel.error))

    def test_backOff(self) -> None:
        """The daemon tries to close again after 1, 2 and 4 seconds, until it succeeds."""
        tried = []
        for half in range(1, 30):
            self.clock.advance(0.5)
            if self.calls():
                tried.append(half / 2)
        self.assertEqual([1.0, 3.0, 7.0], tried)
        self.assertEqual([], self.openings())

    def test_longestWait(self) -> None:
        """The wait does not grow beyond a minute."""
        self.firewall.failures = [BUSY] * 20
        waits = []
        for _ in range(9):
            (call,) = self.clock.getDelayedCalls()
            waits.append(call.getTime() - self.clock.seconds())
            self.clock.advance(waits[-1])
        self.assertEqual([1, 2, 4, 8, 16, 32, 60, 60, 60], waits)

    def test_closedLineOnce(self) -> None:
        """The closing is logged once, when it has happened."""
        self.assertEqual(1, len(self.log.lines(LogLevel.info)))
        self.clock.pump([1, 2, 4, 8])
        self.assertEqual(
            ["closed door default (22/tcp) for 203.0.113.9"], self.log.lines(LogLevel.info)[1:]
        )

    def test_requestDuringRetry(self) -> None:
        """A knock meanwhile opens at once, with no close before its deadline."""
        self.clock.advance(0.5)
        self.firewall.failures = []
        self.request()
        self.clock.advance(25)
        self.assertEqual(["open 203.0.113.9 until 60.5"], self.calls())
        self.clock.advance(10)
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_requestDuringRetryFails(self) -> None:
        """
        If the firewall refuses that opening too, the overdue closing is not forgotten: the daemon
        tries until it succeeds.
        """
        self.clock.advance(0.5)
        self.calls()
        self.firewall.failures = [BUSY, BUSY]
        self.request()
        self.clock.pump([2, 4, 60])
        self.assertEqual(["open 203.0.113.9 until 60.5"] * 3 + ["close 203.0.113.9"], self.calls())
        self.assertEqual([], self.openings())

    def test_firstWaitAgain(self) -> None:
        """After a successful closing, a later failure begins with 1 second again."""
        self.firewall.holding = True
        self.clock.advance(1)
        self.request()
        self.firewall.answer()
        self.firewall.answer()
        self.assertIn("opened door", self.log.lines()[-1])
        self.clock.advance(30)
        self.firewall.answer(BUSY)
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(1, call.getTime() - self.clock.seconds())

    def test_unexpected(self) -> None:
        """A mistake in the firewall's code does not end the tries."""
        self.firewall.failures = [RuntimeError("oops")]
        self.clock.advance(1)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.calls()
        self.clock.advance(2)
        self.assertEqual(["close 203.0.113.9"], self.calls())
        self.assertEqual([], self.openings())


class CrowdTests(KeeperTestCase):
    """
    Very many openings at once.
    """

    def come(self, count: int, seconds: int = 30) -> None:
        """Let so many clients earn an opening."""
        for number in range(count):
            self.request(seconds, source=f"10.0.{number // 250}.{number % 250}")

    def test_refusedOnce(self) -> None:
        """If the firewall refuses all of them, that is one line, and none of them is forgotten."""
        self.firewall.failures = [BUSY] * 1000
        self.come(1000)
        self.assertEqual(1, len(self.log.lines()))
        self.assertIn("cannot open door", self.log.lines()[0])
        self.clock.advance(1)
        self.assertEqual(1000, len(self.firewall.open_()))

    def test_refusedToOthers(self) -> None:
        """A later failure gets a line again, which says how many were left out."""
        self.firewall.failures = [BUSY] * 1000
        self.come(999)
        self.clock.advance(0.999)
        self.request(source=BOB)
        self.assertEqual(1, len(self.log.lines()))
        self.firewall.failures = [BUSY] * 1001
        self.clock.advance(0.001)
        self.request(source=ANN)
        self.assertEqual(2, len(self.log.lines()))
        self.assertIn("(999 more lines like this left out)", self.log.lines()[-1])

    def test_otherReasons(self) -> None:
        """One reason does not suppress another."""
        self.firewall.failures = [BUSY, FirewallError("no more room")]
        self.come(2)
        self.assertEqual(2, len(self.log.lines()))

    def test_closedInTurns(self) -> None:
        """All of them close, but not all in one turn of the reactor."""
        self.come(1000)
        keys = [each.key for each in self.keeper.openings()]
        self.keeper.close(keys, NOBODY)
        self.assertTrue(0 < len(self.firewall.open_()) < 1000)
        self.clock.advance(0)
        self.assertEqual(({}, []), (self.firewall.open_(), self.keeper.openings()))


class PendingTests(KeeperTestCase):
    """
    Knocks while the firewall has not answered yet.
    """

    def setUp(self) -> None:
        """Let the firewall wait for L{FakeFirewall.answer}."""
        super().setUp()
        self.firewall.holding = True

    def test_duringOpen(self) -> None:
        """A knock during an opening replaces it: the firewall may hang."""
        self.request()
        self.request(60)
        self.assertEqual(["open 203.0.113.9 until 30", "open 203.0.113.9 until 60"], self.calls())
        self.firewall.answer()
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:01:00 (1m)"],
            self.log.lines(),
        )
        self.assertEqual(({ANN: 60.0}, []), (self.firewall.open_(), self.calls()))

    def test_duringOpenThatHasBegun(self) -> None:
        """The firewall finishes what it has begun, and then does the newer."""
        self.firewall.hasBegun = True
        self.request()
        self.request(60)
        self.firewall.answer()
        self.assertEqual(([], {ANN: 30.0}), (self.log.lines(), self.firewall.open_()))
        self.firewall.answer()
        self.assertEqual((1, {ANN: 60.0}), (len(self.log.lines()), self.firewall.open_()))

    def test_severalDuringOpen(self) -> None:
        """Of several knocks during an opening only the latest remains to be done."""
        self.request()
        for seconds in (60, 90, 75):
            self.request(seconds)
        self.assertEqual("open 203.0.113.9 until 90", self.calls()[-1])
        self.firewall.answer()
        self.assertEqual(({ANN: 90.0}, []), (self.firewall.open_(), self.calls()))

    def test_shorterDuringOpen(self) -> None:
        """A knock for less time during an opening does nothing."""
        self.request()
        self.request(5)
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())

    def test_openFailsWithAnotherRequest(self) -> None:
        """If the opening fails, the knock that came during it is tried by itself."""
        self.firewall.hasBegun = True
        self.request()
        self.request(60)
        self.firewall.answer(BUSY)
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_openTakesTooLong(self) -> None:
        """
        An opening that succeeds after its deadline is closed at once, and its line makes sense.
        """
        self.request()
        self.clock.advance(31)
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:00:30 (0s)"],
            self.log.lines(),
        )

    def test_duringClose(self) -> None:
        """A knock during a closing opens again when the closing is done."""
        self.request()
        self.firewall.answer()
        self.clock.advance(30)
        self.request()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 60"], self.calls())
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())
        self.assertIn("opened door", self.log.lines()[-1])

    def test_duringCloseThatFails(self) -> None:
        """A knock during a closing that fails opens, too, and closes at its deadline."""
        self.request()
        self.firewall.answer()
        self.clock.advance(30)
        self.request()
        self.firewall.answer(BUSY)
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())
        self.calls()
        self.clock.advance(30)
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_otherSource(self) -> None:
        """Another source does not wait for a pending opening."""
        self.request()
        self.request(source=BOB)
        self.assertEqual(["open 203.0.113.9 until 30", "open 2001:db8::7 until 30"], self.calls())


class BoundTests(KeeperTestCase):
    """
    The limits to the number of openings.
    """

    def test_bound(self) -> None:
        """
        The limits are four thousand openings of a door, and fifteen hundred new ones a second.
        """
        self.assertEqual((4096, 1500), (MAX_OPENINGS, MAX_OPENED))

    def test_eachDoor(self) -> None:
        """The openings of one door do not use up those of another."""
        self.patch(admission, "MAX_OPENINGS", 1)
        web = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, web)
        for door in (self.door, web, web):
            self.keeper.request(Request(door, ANN if door is web else BOB, 0))
        self.assertEqual([(BOB, 30.0), (ANN, 30.0)], self.openings())

    def test_fast(self) -> None:
        """Knocks beyond the rate are refused, and the operator hears why."""
        self.patch(admission, "MAX_OPENED", 2)
        self.keeper = self.makeKeeper(self.door)
        for last in range(4):
            self.request(source=f"10.0.0.{last}")
        self.assertEqual(2, len(self.openings()))
        self.assertEqual(
            "refused door default (22/tcp) for 10.0.0.2: 2 opened in a second, which is the most: "
            "do others know its sequence",
            self.log.lines()[-2],
        )
        self.clock.advance(0.5)
        for last in range(4, 6):
            self.request(source=f"10.0.0.{last}")
        self.assertEqual(3, len(self.openings()))

    def test_fastWithName(self) -> None:
        """The rate does not apply to clients that are known by a seal, or to the operator."""
        self.patch(admission, "MAX_OPENED", 0)
        self.keeper = self.makeKeeper(self.door)
        self.keeper.request(Request(self.door, ANN, 0, who=OPERATOR))
        self.keeper.request(Request(self.door, BOB, 0, who=Principal("anna@laptop")))
        self.request(source="10.0.0.1")
        self.assertEqual([ANN, BOB], [source for source, _ in self.openings()])

    def test_fastAgain(self) -> None:
        """Clients that are in, and knock again and again, have a rate of their own."""
        self.patch(admission, "MAX_OPENED", 3)
        self.keeper = self.makeKeeper(self.door)
        for seconds in range(31, 41):
            self.request(seconds)
        self.assertEqual([(ANN, 34.0)], self.openings())
        self.assertIn("3 opened in a second, which is the most", self.log.lines()[-1])
        self.request(source=BOB)
        self.assertEqual([(ANN, 34.0), (BOB, 30.0)], self.openings())

    def test_full(self) -> None:
        """One opening more than the maximum is refused, and the operator hears of it."""
        self.patch(admission, "MAX_OPENINGS", 2)
        for source in (ANN, BOB, "10.0.0.1"):
            self.request(source=source)
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.firewall.open_())
        self.assertEqual(
            "refused door default (22/tcp) for 10.0.0.1: 2 openings already, which is the most",
            self.log.lines()[-1],
        )

    def test_extensionWhenFull(self) -> None:
        """A client that is in can extend its opening even if there are as many as possible."""
        self.patch(admission, "MAX_OPENINGS", 1)
        self.request()
        self.request(60)
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_placeIsGivenBack(self) -> None:
        """A closing makes room."""
        self.patch(admission, "MAX_OPENINGS", 1)
        self.request()
        self.clock.advance(30)
        self.request(source=BOB)
        self.assertEqual({BOB: 60.0}, self.firewall.open_())


class StartStopTests(KeeperTestCase):
    """
    Start and stop.
    """

    def stop(self) -> None:
        """Stop the doorkeeper, which must be done at once."""
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))

    def test_prepare(self) -> None:
        """Preparing only asks the firewall to prepare."""
        self.keeper.prepare()
        self.assertEqual(["prepare"], self.calls())

    def test_start(self) -> None:
        """Starting starts the firewall."""
        self.keeper.start()
        self.assertEqual(["start"], self.calls())

    def test_startFails(self) -> None:
        """An error of the firewall at the start is raised."""
        self.firewall.failures = [BUSY]
        self.assertIs(BUSY, self.assertRaises(FirewallError, self.keeper.start))

    def test_leavesOpenings(self) -> None:
        """Stopping closes nothing: openings run out by themselves in the firewall."""
        self.request()
        self.request(source=BOB)
        self.calls()
        self.stop()
        self.clock.advance(100)
        self.assertEqual(["stop"], self.calls())

    def test_nothingRunsAfterwards(self) -> None:
        """After stopping, no timer runs and nothing is known to be open."""
        self.request()
        self.stop()
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))

    def test_duringOpen(self) -> None:
        """A pending opening is left alone when it is done."""
        self.firewall.holding = self.firewall.hasBegun = True
        self.request()
        self.firewall.holding = False
        self.stop()
        self.firewall.answer()
        self.clock.advance(100)
        self.assertEqual(["open 203.0.113.9 until 30", "stop"], self.calls())
        self.assertEqual([], self.openings())

    def test_duringRetry(self) -> None:
        """A closing that is being retried is left to the firewall's timer."""
        self.request()
        self.firewall.failures = [BUSY]
        self.clock.advance(30)
        self.calls()
        self.stop()
        self.clock.advance(100)
        self.assertEqual(["stop"], self.calls())

    def test_stopFails(self) -> None:
        """
        If the firewall cannot take something back, that is one line at level error, and the daemon
        stops.
        """
        self.firewall.failures = [BUSY]
        self.stop()
        self.assertEqual(
            ["cannot remove all rules: firewall is busy"], self.log.lines(LogLevel.error)
        )

    def test_stopIsNotAnswered(self) -> None:
        """A firewall that does not answer delays the end by five seconds only."""
        self.firewall.holding = True
        stopped = Deferred.fromCoroutine(self.keeper.stop())
        self.clock.advance(4.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(
            ["cannot remove all rules: fake did not answer within 5 s"],
            self.log.lines(LogLevel.error),
        )


class LifeModelTests(KeeperTestCase):
    """
    Openings under random requests and failures.
    """

    def test_neverOutlives(self) -> None:
        """
        Whatever is requested and whatever fails, nobody can come in after the last deadline that
        was granted, and when the firewall works again, nothing is left.
        """
        random_ = random.Random(20261104)
        latest = 0.0
        for _ in range(3000):
            self.firewall.failures = [BUSY] if random_.random() < 0.3 else []
            if random_.random() < 0.5:
                seconds = random_.choice((1, 5, 30))
                latest = max(latest, self.clock.seconds() + seconds)
                self.request(seconds)
            self.assertLessEqual(len(self.openings()), 1)
            self.assertLessEqual(self.firewall.open_().get(ANN, 0.0), latest)
            self.clock.advance(random_.choice((0.0, 0.5, 3.0, 20.0)))
        self.firewall.failures = []
        self.clock.pump([60.0] * 10)
        self.assertEqual(([], {}), (self.openings(), self.firewall.open_()))


class TakeOverTests(SynchronousTestCase):
    """
    Openings that an earlier daemon left.
    """

    def setUp(self) -> None:
        """Make a door that is open for 12 seconds more when the doorkeeper starts."""
        self.log = Log(self)
        self.clock = Clock()
        self.firewall = FakeFirewall(self.clock)
        self.firewall.before = [makeOpening(ANN, deadline=12.0)]
        self.door = self.firewall.before[0].door
        self.keeper = MemoryDaemon(self.clock, [self.firewall], [self.door]).keeper
        self.keeper.start()

    def test_line(self) -> None:
        """The log names the opening, with the time that is left."""
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.startswith(f"took over door default (22/tcp) for {ANN} until "), line)
        self.assertTrue(line.endswith("(12s)"), line)

    def test_notOpenedAgain(self) -> None:
        """The daemon does not open it again, and knows it."""
        self.assertEqual(["start"], self.firewall.calls)
        self.assertEqual(
            [(ANN, 12.0)], [(str(e.source), e.deadline) for e in self.keeper.openings()]
        )

    def test_closes(self) -> None:
        """The daemon closes it when its time is over."""
        self.clock.advance(12)
        self.assertEqual(["start", f"close {ANN}"], self.firewall.calls)
        self.assertEqual([], self.keeper.openings())

    def test_extends(self) -> None:
        """A knock extends it."""
        self.clock.advance(2)
        self.keeper.request(Request(self.door, ANN, 0))
        self.assertEqual(["start", f"open {ANN} until 32"], self.firewall.calls)
        self.assertTrue(self.log.lines(LogLevel.info)[-1].startswith("extended door"))
