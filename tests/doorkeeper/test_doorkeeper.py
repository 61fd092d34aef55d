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

from pkdoors.doorkeeper import admission as admissionModule
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
    The stand-in that these tests rely on.
    """

    def test_interface(self) -> None:
        """It is an L{IFirewall}."""
        verifyObject(IFirewall, FakeFirewall(Clock()))

    def test_timer(self) -> None:
        """It closes a door by itself at the deadline."""
        clock = Clock()
        firewall = FakeFirewall(clock)
        self.successResultOf(firewall.open(makeOpening(ANN, deadline=30.0)))
        clock.advance(29)
        self.assertEqual({ANN: 30.0}, firewall.open_())
        clock.advance(1)
        self.assertEqual({}, firewall.open_())

    def test_oneCallAtATime(self) -> None:
        """It does not take a call for an opening while it is busy with that opening."""
        firewall = FakeFirewall(Clock())
        firewall.holding = True
        firewall.open(makeOpening(ANN))
        self.assertRaises(AssertionError, firewall.close, makeOpening(ANN))


class KeeperTestCase(SynchronousTestCase):
    """
    With a door for 30 s, an hour at most, at 8 o'clock in the morning.
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
        """A doorkeeper of some doors."""
        daemon = MemoryDaemon(self.clock, [self.firewall], doors)
        self.events = daemon.events
        return daemon.keeper

    def request(self, seconds: int = 0, source: str = ANN) -> None:
        """A lock was satisfied."""
        self.keeper.request(Request(self.door, source, seconds))

    def calls(self) -> list[str]:
        """What the firewall was asked since this was last called."""
        calls, self.firewall.calls = self.firewall.calls, []
        return calls

    def openings(self) -> list[tuple[str, float]]:
        """Source and deadline of each opening that the doorkeeper knows."""
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
        """The knock ports are told sorted, each once: their order is the secret."""
        keeper = self.makeKeeper(makeDoor((9, 5, 7, 5, 8)), makeDoor((5, 1, 2, 3, 4), name="b"))
        self.assertEqual([1, 2, 3, 4, 5, 7, 8, 9], listKnockPorts(keeper.doors))

    def test_secondsAsked(self) -> None:
        """The time asked for is the time that is given."""
        self.knock(*knocks(ANN, *PORTS, datagram=b"knock 600\n"))
        self.assertEqual(["open 203.0.113.9 until 600"], self.calls())

    def test_timeOfLastKnock(self) -> None:
        """The time begins with the last knock."""
        self.knock(*knocks(ANN, *PORTS[:-1]))
        self.clock.advance(10)
        self.knock(*knocks(ANN, PORTS[-1]))
        self.assertEqual({ANN: 40.0}, self.firewall.open_())

    def test_interleaved(self) -> None:
        """Two knockers at the same time each get an opening."""
        for port in PORTS:
            self.knock(*knocks(ANN, port), *knocks(BOB, port))
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.firewall.open_())

    def test_sharedPort(self) -> None:
        """A port that two doors have is heard by both."""
        other = makeDoor((17001, 5, 6, 7, 8), ports="80", name="web")
        self.keeper = self.makeKeeper(self.door, other)
        self.knock(*knocks(ANN, *PORTS), *knocks(BOB, 17001, 5, 6, 7, 8))
        self.assertEqual(
            [("default", ANN), ("web", BOB)],
            [(each.door.name, str(each.source)) for each in self.keeper.openings()],
        )

    def test_strangePort(self) -> None:
        """A knock on a port that no door has is nothing."""
        self.knock(*knocks(ANN, 999))
        self.assertEqual(([], []), (self.calls(), self.log.lines()))

    def test_unexpected(self) -> None:
        """What goes wrong with a knock is logged and does not reach the listener."""
        self.keeper.knock(Knock("no address", PORTS[0], b"knock\n"))
        self.knock(*knocks("no address", *PORTS))
        self.assertEqual(["a knock of no address went wrong"], self.log.lines())
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_unexpectedIsLimited(self) -> None:
        """Such a line is written once a second."""
        for _ in range(3):
            self.knock(*knocks("no address", *PORTS))
        self.clock.advance(1)
        self.knock(*knocks("no address", *PORTS))
        self.assertEqual(2, len(self.flushLoggedErrors(ValueError)))

    def test_garbage(self) -> None:
        """Random datagrams never raise, open nothing and log nothing."""
        random_ = random.Random(20261103)
        for _ in range(2000):
            datagram = random_.randbytes(random_.choice((0, 1, 6, 9, 40)))
            self.keeper.knock(Knock(ANN, random_.choice(PORTS), datagram))
        self.assertEqual(([], []), (self.calls(), self.log.lines()))


class RefusalTests(KeeperTestCase):
    """
    What the log says of knocks that do not open.
    """

    def refuse(self, source: str) -> None:
        """Knock wrongly."""
        for knock in knocks(source, PORTS[0], PORTS[2]):
            self.keeper.knock(knock)

    def test_line(self) -> None:
        """A refusal is one line at info that tells door, source and reason."""
        self.refuse(ANN)
        self.assertEqual(
            [
                "refused door default (22/tcp) for 203.0.113.9: "
                "wrong port after 1 of 5 knocks, ignored for 5 s"
            ],
            self.log.lines(LogLevel.info),
        )

    def test_oncePerSource(self) -> None:
        """A source gets one line in a second, however it knocks."""
        for _ in range(50):
            self.refuse(ANN)
        self.assertEqual(1, len(self.log.lines()))

    def test_countsThoseLeftOut(self) -> None:
        """The next line tells how many were left out, the one after that begins anew."""
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
        """Refusals of one kind are ten lines in a second, whatever the sources; others are told."""
        for number in range(1000):
            self.refuse(f"10.0.{number // 256}.{number % 256}")
        lines = self.log.lines(LogLevel.info)
        self.assertEqual(10, len([line for line in lines if "wrong port after 1 of 5" in line]))
        for knock in knocks(ANN, PORTS[0], PORTS[1], PORTS[3]):
            self.keeper.knock(knock)
        self.assertIn(f"for {ANN}: wrong port after 2 of 5", self.log.lines()[-1])

    def test_known(self) -> None:
        """A flood does not hide the refusal of somebody who has opened the door before."""
        for knock in knocks(ANN, *PORTS):
            self.keeper.knock(knock)
        for number in range(1000):
            self.refuse(f"10.0.{number // 256}.{number % 256}")
        self.refuse(ANN)
        self.assertIn(f"for {ANN}: wrong port after 1 of 5", self.log.lines()[-1])

    def test_guessing(self) -> None:
        """Wrong orders from everywhere are one warning, once, that tells no port."""
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
        """No refusal tells a knock port."""
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
    The life of an opening where nothing goes wrong.
    """

    def test_defaultTime(self) -> None:
        """Who asks for no time gets the door's."""
        self.request()
        self.assertEqual({ANN: 30.0}, self.firewall.open_())

    def test_shorterTime(self) -> None:
        """Who asks for less than the door's time gets less."""
        self.request(5)
        self.assertEqual({ANN: 5.0}, self.firewall.open_())

    def test_cap(self) -> None:
        """Who asks for more than the most gets the most."""
        self.request(999_999_999)
        self.assertEqual({ANN: 3600.0}, self.firewall.open_())

    def test_openedLine(self) -> None:
        """An opening is one line at info, with the time of day and the time it has."""
        self.request(90)
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:01:30 (1m30s)"],
            self.log.lines(LogLevel.info),
        )

    def test_notBeforeItIsOpen(self) -> None:
        """The line is written when the firewall has opened, not when it was asked."""
        self.firewall.holding = True
        self.request()
        self.assertEqual([], self.log.lines())
        self.firewall.answer()
        self.assertEqual(1, len(self.log.lines()))

    def test_closesAtTheDeadline(self) -> None:
        """It is closed at the deadline, and not a moment before."""
        self.request()
        self.clock.pump([29.999])
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())
        self.clock.pump([0.001])
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_closedLine(self) -> None:
        """A closing is one line at info."""
        self.request()
        self.clock.advance(30)
        self.assertEqual(
            ["closed door default (22/tcp) for 203.0.113.9"], self.log.lines(LogLevel.info)[1:]
        )

    def test_nothingIsLeft(self) -> None:
        """After that nothing is remembered and no timer runs."""
        self.request()
        self.clock.advance(30)
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))

    def test_openings(self) -> None:
        """The doorkeeper tells what is open."""
        self.request()
        self.assertEqual(
            [Opening(self.door, ip_address("203.0.113.9"), 30.0)], self.keeper.openings()
        )

    def test_openAgain(self) -> None:
        """After its closing a door can be opened again."""
        self.request()
        self.clock.advance(100)
        self.calls()
        self.request()
        self.assertEqual(["open 203.0.113.9 until 130"], self.calls())

    def test_twoSources(self) -> None:
        """Each source's opening has its own end."""
        self.request()
        self.clock.advance(10)
        self.request(source=BOB)
        self.clock.advance(20)
        self.assertEqual({BOB: 40.0}, self.firewall.open_())
        self.assertEqual([(BOB, 40.0)], self.openings())

    def test_twoWritings(self) -> None:
        """Two ways to write an address are one source."""
        self.request(source="2001:db8::7")
        self.request(seconds=60, source="2001:0DB8:0:0::7")
        self.assertEqual([(BOB, 60.0)], self.openings())


class ExtensionTests(KeeperTestCase):
    """
    Knocking again while it is open.
    """

    def test_extends(self) -> None:
        """The deadline moves, by one call, and it is closed once, at the new one."""
        self.request()
        self.clock.advance(20)
        self.request()
        self.clock.pump([10, 19.5])
        self.assertEqual(["open 203.0.113.9 until 30", "open 203.0.113.9 until 50"], self.calls())
        self.clock.pump([0.5, 100])
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_line(self) -> None:
        """An extension is one line, which tells the new end."""
        self.request()
        self.clock.advance(20)
        self.request(600)
        self.assertEqual(
            ["extended door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:10:20 (10m)"],
            self.log.lines()[1:],
        )

    def test_noDuplicate(self) -> None:
        """It remains one opening."""
        self.request()
        self.request(60)
        self.assertEqual([(ANN, 60.0)], self.openings())

    def test_neverShortens(self) -> None:
        """Asking for less than is left changes nothing, and says nothing."""
        self.request(600)
        self.request(30)
        self.assertEqual([(ANN, 600.0)], self.openings())
        self.assertEqual(["open 203.0.113.9 until 600"], self.calls())
        self.assertEqual(1, len(self.log.lines()))

    def test_sameDeadline(self) -> None:
        """Asking for the same end again is no extension."""
        self.request()
        self.request()
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())

    def test_cap(self) -> None:
        """An extension is capped as well, from the moment it is asked for."""
        self.request(3600)
        self.clock.advance(1000)
        self.request(3600)
        self.request(7200)
        self.assertEqual([(ANN, 4600.0)], self.openings())

    def test_failed(self) -> None:
        """An extension that fails leaves the old deadline until it succeeds; one line at error."""
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
        """As long as an extension fails, nothing is open after the old deadline."""
        self.request()
        self.clock.advance(20)
        self.firewall.failures = [BUSY] * 100
        self.request()
        self.clock.pump([1] * 10)
        self.assertEqual(([], {}), (self.openings(), self.firewall.open_()))

    def test_afterFailed(self) -> None:
        """After an extension that failed, the next may succeed."""
        self.request()
        self.firewall.failures = [BUSY]
        self.request(60)
        self.request(60)
        self.assertEqual({ANN: 60.0}, self.firewall.open_())


class KnownKnockerTests(KeeperTestCase):
    """
    Requests of locks that know who knocks.
    """

    def ask(self, **fields: Any) -> None:
        """A lock was satisfied."""
        defaults: dict[str, Any] = {"door": self.door, "source": ANN, "seconds": 0}
        fields["who"] = Principal(fields.get("who", ""))
        self.keeper.request(Request(**(defaults | fields)))

    def test_most(self) -> None:
        """Who may have less than asked for gets the most that it may have."""
        self.ask(seconds=900, most=600.0)
        self.assertEqual({ANN: 600.0}, self.firewall.open_())

    def test_mostOfTheDefault(self) -> None:
        """That counts for the door's own time, too."""
        self.ask(most=10.0)
        self.assertEqual({ANN: 10.0}, self.firewall.open_())

    def test_mostIsNoWish(self) -> None:
        """Who may have more gets what it asks for, and never more than the door's most."""
        self.ask(seconds=60, most=600.0)
        self.ask(seconds=999_999, most=999_999.0, source=BOB)
        self.assertEqual({ANN: 60.0, BOB: 3600.0}, self.firewall.open_())

    def test_mostShortensNothing(self) -> None:
        """An opening is not shortened by who may have less; it is by nothing but a close."""
        self.ask(seconds=900)
        self.ask(most=10.0)
        self.assertEqual({ANN: 900.0}, self.firewall.open_())

    def test_who(self) -> None:
        """The line of an opening ends with who it was."""
        self.ask(who="anna (SHA256:x)")
        self.assertEqual(
            [
                "opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:00:30 (30s), "
                "by anna (SHA256:x)"
            ],
            self.log.lines(),
        )

    def test_whoExtends(self) -> None:
        """That of an extension ends with who extended it."""
        self.ask(who="anna")
        self.ask(who="bob", seconds=60)
        self.assertTrue(self.log.lines()[-1].endswith("08:01:00 (1m), by bob"))

    def test_nobodyKnows(self) -> None:
        """Where nobody knows who it was nothing is said of it."""
        self.ask(who="anna")
        self.ask(seconds=60)
        self.assertTrue(self.log.lines()[-1].endswith("08:01:00 (1m)"))

    def test_braces(self) -> None:
        """Whatever a key's comment is, it is no format."""
        self.ask(who="{door} {0}")
        self.assertTrue(self.log.lines()[0].endswith(", by {door} {0}"))

    def test_timeOfDay(self) -> None:
        """A lock hears the time of day beside the clock that does not jump."""
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
        """Somebody asks to close."""
        self.keeper.request(Request(door or self.door, source, 0, who=Principal(who), close=True))

    def test_line(self) -> None:
        """Who asked to close is told, once."""
        self.request()
        self.close(who="anna (SHA256:x)")
        closed = "closed door default (22/tcp) for 203.0.113.9"
        self.assertEqual(f"{closed}, asked to by anna (SHA256:x)", self.log.lines()[-1])
        self.request()
        self.clock.advance(30)
        self.assertEqual(closed, self.log.lines()[-1])

    def test_whoseItWas(self) -> None:
        """What is closed is told with who had it, whoever asked, and however it ended."""
        for end in (lambda: self.close(who="anna"), lambda: self.clock.advance(30)):
            self.keeper.request(Request(self.door, ANN, 0, who=Principal("anna")))
            end()
            self.assertEqual(("closed", "anna"), (self.events[-1].kind, self.events[-1].who.name))
        reasons = [each.reason for each in self.events if each.kind == "closed"]
        self.assertEqual(["asked to by anna", "its time is over"], reasons)

    def test_askedBeforeItOpened(self) -> None:
        """What the firewall refused until somebody asked to close is told so, with that reason."""
        self.firewall.failures = [BUSY]
        self.request()
        self.close(who="bob")
        self.assertEqual(
            "door default (22/tcp) never opened for 203.0.113.9: asked to by bob",
            self.log.lines()[-1],
        )

    def test_openedTooLate(self) -> None:
        """What was closed while the firewall still opened it is not told to have opened."""
        self.firewall.holding = True
        self.request()
        self.close(who="bob")
        self.firewall.holding = False
        self.firewall.answer()
        self.assertEqual(["unopened"], [each.kind for each in self.events])
        self.assertEqual(({}, []), (self.firewall.open_(), self.openings()))

    def test_closes(self) -> None:
        """The opening ends at once, and nothing is left of it."""
        self.request(600)
        self.clock.advance(10)
        self.close()
        self.assertEqual(["open 203.0.113.9 until 600", "close 203.0.113.9"], self.calls())
        self.clock.advance(0)
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))
        self.assertEqual("closed door default (22/tcp) for 203.0.113.9", self.log.lines()[-1])

    def test_notAnothers(self) -> None:
        """
        Nobody closes what another key opened, or the operator: two people may share an address,
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
        """That of another source stays."""
        self.request()
        self.request(source=BOB)
        self.close()
        self.assertEqual({BOB: 30.0}, self.firewall.open_())
        self.assertEqual([(BOB, 30.0)], self.openings())

    def test_onlyThatDoor(self) -> None:
        """So does the same source's opening of another door."""
        other = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, other)
        self.request()
        self.keeper.request(Request(other, ANN, 0))
        self.close(door=other)
        self.assertEqual(["default"], [each.door.name for each in self.keeper.openings()])

    def test_nothingIsOpen(self) -> None:
        """Where nothing is open it is nothing: no call, no line, no opening."""
        self.close()
        self.request(source=BOB)
        self.calls()
        self.close()
        self.assertEqual(([], [(BOB, 30.0)]), (self.calls(), self.openings()))
        self.assertEqual(1, len(self.log.lines()))

    def test_twice(self) -> None:
        """To close again is nothing."""
        self.request()
        self.close()
        self.calls()
        self.close()
        self.assertEqual(([], 2), (self.calls(), len(self.log.lines())))

    def test_opensAgain(self) -> None:
        """After it the door can be opened as ever."""
        self.request()
        self.close()
        self.clock.advance(5)
        self.request()
        self.assertEqual({ANN: 35.0}, self.firewall.open_())

    def test_whileItOpens(self) -> None:
        """An opening that the firewall is still busy with is called off, and closed."""
        self.firewall.holding = True
        for self.firewall.hasBegun in (False, True):
            self.request()
            self.close()
            self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
            self.firewall.answerAll()
            self.assertEqual({}, self.firewall.open_())
        self.assertEqual(2, "".join(self.log.lines()).count("never opened"))

    def test_whileItCloses(self) -> None:
        """Who knocks while it closes is let in again."""
        self.request()
        self.firewall.holding = True
        self.close()
        self.request(60)
        self.firewall.holding = False
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_neverOpened(self) -> None:
        """What the firewall refuses to open is given up, and taken back all the same."""
        self.firewall.failures = [BUSY]
        self.request()
        self.close()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.clock.advance(60)
        self.assertEqual(([], []), (self.calls(), self.openings()))

    def test_reasonIsForgotten(self) -> None:
        """Who is let in again while it closes is not said to have been closed by who asked then."""
        self.request()
        self.firewall.failures = [BUSY]
        self.close(who="anna")
        self.request()
        self.clock.advance(30)
        self.assertEqual("closed door default (22/tcp) for 203.0.113.9", self.log.lines()[-1])

    def test_reasonWhileItCloses(self) -> None:
        """Who asked to close is told, though somebody is let in again meanwhile."""
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
        """A close that fails is tried until it is done; meanwhile it does not count as open."""
        self.request()
        self.firewall.failures = [BUSY, BUSY]
        self.close()
        self.assertEqual([], self.openings())
        self.clock.pump([1.0] * 5)
        self.assertEqual(3, self.calls().count("close 203.0.113.9"))
        self.assertEqual([CANNOT_CLOSE], self.log.lines(LogLevel.error))

    def test_whenFull(self) -> None:
        """It works, too, where no more can be opened."""
        self.patch(admissionModule, "MAX_OPENINGS", 1)
        self.request()
        self.close()
        self.assertEqual({}, self.firewall.open_())

    def test_takenOver(self) -> None:
        """What an earlier daemon left can be closed."""
        self.firewall.before = [makeOpening(ANN, deadline=12.0)]
        self.keeper.start()
        self.close()
        self.assertEqual(["start", "close 203.0.113.9"], self.calls())


class FailedOpenTests(KeeperTestCase):
    """
    A firewall that does not open.
    """

    def test_notCounted(self) -> None:
        """What could not be opened is not counted as open."""
        self.firewall.failures = [BUSY]
        self.request()
        self.assertEqual([], self.openings())

    def test_line(self) -> None:
        """It is one line at error, with the firewall's reason, however often it is tried."""
        self.firewall.failures = [BUSY] * 4
        self.request()
        self.clock.pump([1, 2, 4])
        self.assertEqual([CANNOT_OPEN], self.log.lines())
        self.assertEqual(["error"], self.log.levels())

    def test_retries(self) -> None:
        """It is tried again after 1, 2 and 4 seconds, with the deadline that was earned."""
        self.firewall.failures = [BUSY] * 3
        self.request()
        self.clock.pump([1, 2, 3.9])
        self.assertEqual(["open 203.0.113.9 until 30"] * 3, self.calls())
        self.clock.advance(0.1)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.assertIn("opened door", self.log.lines()[-1])

    def test_tooLate(self) -> None:
        """When its time is over it is given up, what there may be of it is closed, and told."""
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
        """When the firewall is there again it is tried at once."""
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
        """The next knock may open."""
        self.firewall.failures = [BUSY]
        self.request()
        self.request()
        self.assertEqual({ANN: 30.0}, self.firewall.open_())

    def test_unexpected(self) -> None:
        """A mistake of the firewall's code is logged with its traceback, besides that line."""
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
        """Such a mistake in an extension does not lose the opening: it is closed in time."""
        self.request()
        self.firewall.failures = [RuntimeError("oops")]
        self.request(60)
        self.flushLoggedErrors(RuntimeError)
        self.calls()
        self.clock.pump([1, 59])
        self.assertEqual(["open 203.0.113.9 until 60", "close 203.0.113.9"], self.calls())


class FailedCloseTests(KeeperTestCase):
    """
    A firewall that does not close.
    """

    def setUp(self) -> None:
        """Open, and fail to close three times."""
        super().setUp()
        self.request()
        self.firewall.failures = [BUSY, BUSY, BUSY]
        self.clock.advance(30)
        self.calls()

    def test_line(self) -> None:
        """It is one line at error, however often it is tried."""
        self.clock.pump([1, 2])
        self.assertEqual([CANNOT_CLOSE], self.log.lines(LogLevel.error))

    def test_backOff(self) -> None:
        """It is tried again after 1, 2 and 4 seconds, until it is done."""
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
        """That it is closed is said when it is, once."""
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
        Where the firewall refuses that opening too, the closing that it still owes is not
        forgotten: it is tried until it is done.
        """
        self.clock.advance(0.5)
        self.calls()
        self.firewall.failures = [BUSY, BUSY]
        self.request()
        self.clock.pump([2, 4, 60])
        self.assertEqual(["open 203.0.113.9 until 60.5"] * 3 + ["close 203.0.113.9"], self.calls())
        self.assertEqual([], self.openings())

    def test_firstWaitAgain(self) -> None:
        """After a closing that succeeded, a later one that fails begins with 1 second again."""
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
        """A mistake of the firewall's code does not end the tries."""
        self.firewall.failures = [RuntimeError("oops")]
        self.clock.advance(1)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.calls()
        self.clock.advance(2)
        self.assertEqual(["close 203.0.113.9"], self.calls())
        self.assertEqual([], self.openings())


class CrowdTests(KeeperTestCase):
    """
    Very many at once.
    """

    def come(self, count: int, seconds: int = 30) -> None:
        """Have so many earn an opening."""
        for number in range(count):
            self.request(seconds, source=f"10.0.{number // 250}.{number % 250}")

    def test_refusedOnce(self) -> None:
        """What the firewall refuses to all of them is one line, and none of them is forgotten."""
        self.firewall.failures = [BUSY] * 1000
        self.come(1000)
        self.assertEqual(1, len(self.log.lines()))
        self.assertIn("cannot open door", self.log.lines()[0])
        self.clock.advance(1)
        self.assertEqual(1000, len(self.firewall.open_()))

    def test_refusedToOthers(self) -> None:
        """Who comes later gets a line again, which says how many were left out."""
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
        """One reason does not keep back another."""
        self.firewall.failures = [BUSY, FirewallError("no more room")]
        self.come(2)
        self.assertEqual(2, len(self.log.lines()))

    def test_closedInTurns(self) -> None:
        """All are closed, but not all of them in one turn of the reactor."""
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
        """A knock during an opening takes its place: the firewall may hang."""
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
        """What the firewall has begun it does, and then the newer."""
        self.firewall.hasBegun = True
        self.request()
        self.request(60)
        self.firewall.answer()
        self.assertEqual(([], {ANN: 30.0}), (self.log.lines(), self.firewall.open_()))
        self.firewall.answer()
        self.assertEqual((1, {ANN: 60.0}), (len(self.log.lines()), self.firewall.open_()))

    def test_severalDuringOpen(self) -> None:
        """Of several knocks during an opening only the latest is left to be done."""
        self.request()
        for seconds in (60, 90, 75):
            self.request(seconds)
        self.assertEqual("open 203.0.113.9 until 90", self.calls()[-1])
        self.firewall.answer()
        self.assertEqual(({ANN: 90.0}, []), (self.firewall.open_(), self.calls()))

    def test_shorterDuringOpen(self) -> None:
        """A knock for less, during an opening, is nothing."""
        self.request()
        self.request(5)
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 30"], self.calls())

    def test_openFailsWithAnotherRequest(self) -> None:
        """Where the opening fails, the knock that came during it is tried for itself."""
        self.firewall.hasBegun = True
        self.request()
        self.request(60)
        self.firewall.answer(BUSY)
        self.firewall.answer()
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_openTakesTooLong(self) -> None:
        """An opening that is done after its deadline is closed at once, and its line is sane."""
        self.request()
        self.clock.advance(31)
        self.firewall.answer()
        self.assertEqual(["open 203.0.113.9 until 30", "close 203.0.113.9"], self.calls())
        self.assertEqual(
            ["opened door default (22/tcp) for 203.0.113.9 until 2027-01-15 08:00:30 (0s)"],
            self.log.lines(),
        )

    def test_duringClose(self) -> None:
        """A knock during a closing opens anew when that is done."""
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
        """A knock during a closing that fails opens, too, and is closed at its deadline."""
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
    The most openings at a time.
    """

    def test_bound(self) -> None:
        """They are four thousand of a door, and fifteen hundred in a second."""
        self.assertEqual((4096, 1500), (MAX_OPENINGS, MAX_OPENED))

    def test_eachDoor(self) -> None:
        """What is open of one door keeps nobody out of another."""
        self.patch(admissionModule, "MAX_OPENINGS", 1)
        web = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, web)
        for door in (self.door, web, web):
            self.keeper.request(Request(door, ANN if door is web else BOB, 0))
        self.assertEqual([(BOB, 30.0), (ANN, 30.0)], self.openings())

    def test_fast(self) -> None:
        """More in a second than the most are refused, and the operator hears why."""
        self.patch(admissionModule, "MAX_OPENED", 2)
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
        """Who is known, by a seal or as the operator, is not among them."""
        self.patch(admissionModule, "MAX_OPENED", 0)
        self.keeper = self.makeKeeper(self.door)
        self.keeper.request(Request(self.door, ANN, 0, who=OPERATOR))
        self.keeper.request(Request(self.door, BOB, 0, who=Principal("anna@laptop")))
        self.request(source="10.0.0.1")
        self.assertEqual([ANN, BOB], [source for source, _ in self.openings()])

    def test_fastAgain(self) -> None:
        """Who is in, and knocks again and again, has a bound of his own."""
        self.patch(admissionModule, "MAX_OPENED", 3)
        self.keeper = self.makeKeeper(self.door)
        for seconds in range(31, 41):
            self.request(seconds)
        self.assertEqual([(ANN, 34.0)], self.openings())
        self.assertIn("3 opened in a second, which is the most", self.log.lines()[-1])
        self.request(source=BOB)
        self.assertEqual([(ANN, 34.0), (BOB, 30.0)], self.openings())

    def test_full(self) -> None:
        """One more than the most is refused, and the operator hears of it."""
        self.patch(admissionModule, "MAX_OPENINGS", 2)
        for source in (ANN, BOB, "10.0.0.1"):
            self.request(source=source)
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.firewall.open_())
        self.assertEqual(
            "refused door default (22/tcp) for 10.0.0.1: 2 openings already, which is the most",
            self.log.lines()[-1],
        )

    def test_extensionWhenFull(self) -> None:
        """Who is open already can extend though there are as many as can be."""
        self.patch(admissionModule, "MAX_OPENINGS", 1)
        self.request()
        self.request(60)
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_placeIsGivenBack(self) -> None:
        """What is closed makes room."""
        self.patch(admissionModule, "MAX_OPENINGS", 1)
        self.request()
        self.clock.advance(30)
        self.request(source=BOB)
        self.assertEqual({BOB: 60.0}, self.firewall.open_())


class StartStopTests(KeeperTestCase):
    """
    Beginning and end.
    """

    def stop(self) -> None:
        """Stop; it must be done at once."""
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))

    def test_prepare(self) -> None:
        """Preparing asks the firewall to prepare, no more."""
        self.keeper.prepare()
        self.assertEqual(["prepare"], self.calls())

    def test_start(self) -> None:
        """Starting starts the firewall."""
        self.keeper.start()
        self.assertEqual(["start"], self.calls())

    def test_startFails(self) -> None:
        """What the firewall refuses at start is raised."""
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
        """An opening that is pending is left alone when it is done."""
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
        """What the firewall cannot take back is one line at error, and the daemon stops."""
        self.firewall.failures = [BUSY]
        self.stop()
        self.assertEqual(
            ["cannot remove all rules: firewall is busy"], self.log.lines(LogLevel.error)
        )

    def test_stopIsNotAnswered(self) -> None:
        """A firewall that does not answer keeps the daemon for five seconds only."""
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
        Whatever is asked and whatever fails, nobody can come in after the last deadline that was
        granted, and when the firewall works again, nothing is left.
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
    What an earlier daemon left open.
    """

    def setUp(self) -> None:
        """A door that is open for 12 seconds more when the doorkeeper starts."""
        self.log = Log(self)
        self.clock = Clock()
        self.firewall = FakeFirewall(self.clock)
        self.firewall.before = [makeOpening(ANN, deadline=12.0)]
        self.door = self.firewall.before[0].door
        self.keeper = MemoryDaemon(self.clock, [self.firewall], [self.door]).keeper
        self.keeper.start()

    def test_line(self) -> None:
        """It is told, with the time that it has left."""
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.startswith(f"took over door default (22/tcp) for {ANN} until "), line)
        self.assertTrue(line.endswith("(12s)"), line)

    def test_notOpenedAgain(self) -> None:
        """It is not opened again, and is known."""
        self.assertEqual(["start"], self.firewall.calls)
        self.assertEqual(
            [(ANN, 12.0)], [(str(e.source), e.deadline) for e in self.keeper.openings()]
        )

    def test_closes(self) -> None:
        """It is closed when its time is over."""
        self.clock.advance(12)
        self.assertEqual(["start", f"close {ANN}"], self.firewall.calls)
        self.assertEqual([], self.keeper.openings())

    def test_extends(self) -> None:
        """A knock extends it."""
        self.clock.advance(2)
        self.keeper.request(Request(self.door, ANN, 0))
        self.assertEqual(["start", f"open {ANN} until 32"], self.firewall.calls)
        self.assertTrue(self.log.lines(LogLevel.info)[-1].startswith("extended door"))
