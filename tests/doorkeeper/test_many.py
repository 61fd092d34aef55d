"""Tests of very many openings: nothing takes the reactor for long."""

import gc
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doorkeeper._closer import AT_ONCE, FEW
from pkdoors.doorkeeper.openings import selecting as _selecting
from pkdoors.doorkeeper.openings._deadlines import Deadlines
from pkdoors.doorkeeper.openings.carrying import FEW as CARRIED_FEW
from pkdoors.doorkeeper.openings.life import OpeningLife
from pkdoors.doorkeeper.openings.settling import Closing
from pkdoors.doorkeeper.openings.state import (
    FIRST,
    Cursor,
    Page,
    Selection,
    formatCursor,
    parseCursor,
)
from pkdoors.errors import BadValue
from pkdoors.events.event import CLOSED, OPENED, TAKEN_OVER
from pkdoors.locks.lock import Request
from pkdoors.model.principal import OPERATOR, Principal
from pkdoors.model.sources import readSource
from pkdoors.util.turns import PER_TURN
from tests.doorkeeper.case import ANN, BOB, BUSY, KeeperTestCase
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import makeDoor, makeOpening, parse
from tests.fakes.firewall import FakeFirewall


def passTurn(clock: Clock) -> None:
    """Make the calls that are due, and not yet those that they schedule."""
    due: list[Any] = [call for call in clock.getDelayedCalls() if call.getTime() <= clock.seconds()]
    for call in due:
        if call.active():
            clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class Timed:
    """Something with a deadline."""

    place: Cursor

    def __init__(self, woken: list["Timed"]) -> None:
        self._woken = woken

    def onDeadline(self) -> None:
        """Note that it was woken."""
        self._woken.append(self)


class CircleTests(KeeperTestCase):
    """
    Memory is freed without Python's collector, which does not look at what is old.
    """

    def test_openings(self) -> None:
        """Openings that were extended, closed or have ended leave no objects in circles."""
        self.live()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(10):
            self.live()
        gc.set_debug(gc.DEBUG_SAVEALL)
        self.addCleanup(gc.garbage.clear)
        self.addCleanup(gc.set_debug, 0)
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, OpeningLife)]
        self.assertLess(len(left), 10)  # what other tests have left

    def live(self) -> None:
        """Have some openings, until they have ended."""
        for number in range(FEW + 5):
            self.request(source=f"203.0.113.{number + 1}")
        self.request(60, source="203.0.113.1")
        closing = self.keeper.close([(self.door.name, readSource("203.0.113.2"))], OPERATOR)
        passTurn(self.clock)
        self.assertEqual(set(), closing.left)
        for _ in range(FEW + 5):
            self.clock.advance(3)
        self.assertEqual([], self.openings())


class DeadlinesTests(SynchronousTestCase):
    """
    Tests of L{Deadlines}.
    """

    def setUp(self) -> None:
        """Make five with the deadlines 1 to 5."""
        self.clock = Clock()
        self.deadlines: Deadlines[Timed] = Deadlines(self.clock)
        self.woken: list[Timed] = []
        self.all = [self.add(seconds) for seconds in (3, 1, 5, 2, 4)]
        three, one, five, two, four = self.all
        self.sorted = [one, two, three, four, five]

    def add(self, deadline: float) -> Timed:
        """Add one."""
        timed = Timed(self.woken)
        self.deadlines.add(timed, deadline)
        return timed

    def test_order(self) -> None:
        """They come in the order of their deadlines, and each is a place where a page begins."""
        self.assertEqual(self.sorted, self.deadlines.after())
        for number, timed in enumerate(self.sorted):
            self.assertEqual(self.sorted[number + 1 :], self.deadlines.after(timed.place))
        self.assertEqual(self.sorted[1:3], self.deadlines.after(self.sorted[0].place, 2))

    def test_equal(self) -> None:
        """Equal deadlines have an order that stays."""
        more = [self.add(3) for _ in range(3)]
        found = [self.sorted[2], *more]
        self.assertEqual(found, self.deadlines.after(self.sorted[1].place, 4))
        self.deadlines.move(more[1], 9)
        self.deadlines.move(more[1], 3)
        self.assertEqual(found, self.deadlines.after(self.sorted[1].place, 4))

    def test_woken(self) -> None:
        """Each is woken at its deadline, once, and one timer is enough for all."""
        for seconds in range(1, 6):
            self.assertEqual(1, len(self.clock.getDelayedCalls()))
            self.clock.advance(1)
            self.assertEqual(self.sorted[:seconds], self.woken)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_moved(self) -> None:
        """One that moves is woken at the new deadline, earlier or later; one that went, never."""
        one, two, three, four, five = self.sorted
        self.deadlines.move(four, 0.5)
        self.deadlines.move(two, 6)
        self.deadlines.remove(one)
        self.clock.pump([0.5] * 9)
        self.assertEqual([four, three], self.woken)
        self.clock.advance(2)
        self.assertEqual([four, three, five, two], self.woken)

    def test_movedIntoThePast(self) -> None:
        """One whose deadline is now is woken, though others with that deadline were."""
        self.clock.advance(5)
        self.woken.clear()
        first = self.sorted[0]
        self.deadlines.move(first, 5)
        self.clock.advance(0)
        self.assertIn(first, self.woken)

    def test_inTurns(self) -> None:
        """Of very many, some are woken in each turn."""
        for _ in range(3 * PER_TURN):
            self.add(10)
        self.clock.advance(9)
        self.woken.clear()
        self.clock.rightNow += 1
        for turn in range(1, 4):
            passTurn(self.clock)
            self.assertEqual(turn * PER_TURN, len(self.woken))

    def test_stop(self) -> None:
        """After the end nobody is woken."""
        self.deadlines.stop()
        self.add(7)
        self.assertEqual([], self.clock.getDelayedCalls())


class CountedFirewall(FakeFirewall):
    """Counts how many openings it closes at once, and may refuse that."""

    def closeMany(self, openings: Any) -> Deferred[None]:
        """See L{IFirewall.closeMany}."""
        self.portions.append(len([*openings]))
        return super().closeMany(openings)

    portions: list[int]


class ManyTestCase(KeeperTestCase):
    """
    A door with very many openings.
    """

    def setUp(self) -> None:
        """Make the firewall."""
        super().setUp()
        self.guard = CountedFirewall(self.clock)
        self.guard.portions = []
        self.firewall = self.guard
        self.keeper = self.makeKeeper(self.door)

    def openMany(self, count: int, seconds: int = 0) -> list[str]:
        """Open the door for so many; return their addresses."""
        sources = [str(IPv4Address("10.0.0.1") + number) for number in range(count)]
        for source in sources:
            self.keeper.request(Request(self.door, source, seconds, who=OPERATOR))
        self.clock.advance(0)
        return sources

    def turns(self, isDone: Callable[[], bool]) -> int:
        """Let turns of the reactor pass until something is so, and return how many."""
        for number in range(10_000):
            if isDone():
                return number
            passTurn(self.clock)
        raise AssertionError("that never happens")

    def kinds(self, kind: str) -> int:
        """Return how many events of a kind there were."""
        return sum(event.kind == kind for event in self.events)


class CloseManyTests(ManyTestCase):
    """
    Closing very many.
    """

    def close(self) -> Any:
        """Close all."""
        keys = [opening.key for opening in self.keeper.openings()]
        return self.keeper.close(keys, OPERATOR)

    def test_inFewSteps(self) -> None:
        """The guard closes many in one step, and each has its line in the log, later."""
        self.openMany(1000)
        closing = self.close()
        self.turns(lambda: bool(closing.done.called))
        self.assertEqual({}, self.firewall.open_())
        self.assertEqual((1000, 4), (sum(self.guard.portions), len(self.guard.portions)))
        self.assertLess(self.kinds(CLOSED), 1000)
        self.assertEqual((0, 0), (self.select().total, self.keeper.state().counts["default"][0]))
        self.turns(lambda: self.kinds(CLOSED) == 1000)
        self.assertEqual([], self.keeper.openings())
        self.assertEqual(0, self.select().total)
        self.assertEqual(set(), closing.left)
        calls = [call for call in self.calls() if call.startswith("close")]
        self.assertEqual(-(-1000 // AT_ONCE), len(calls))
        reasons = {event.reason for event in self.events if event.kind == CLOSED}
        self.assertEqual({"at the request of the operator"}, reasons)

    def test_few(self) -> None:
        """Few are closed one by one, as ever."""
        sources = self.openMany(FEW)
        self.calls()
        closing = self.close()
        self.turns(lambda: bool(closing.done.called))
        self.assertEqual(
            ([], {f"close {each}" for each in sources}), (self.guard.portions, {*self.calls()})
        )

    def test_refused(self) -> None:
        """If the guard refuses the step, each is tried by itself until it succeeds."""
        self.openMany(300)
        self.firewall.failures = [BUSY, BUSY, BUSY]
        closing = self.close()
        self.turns(lambda: len(self.firewall.open_()) <= 2)
        self.assertNotEqual({}, self.firewall.open_())
        self.assertNoResult(closing.done)
        self.clock.advance(1)
        self.turns(lambda: not self.firewall.open_())
        self.successResultOf(closing.done)

    def test_notPutBack(self) -> None:
        """A healing while they are being closed puts none of them back."""
        self.keeper.start()
        self.openMany(1000)
        closing = self.close()
        for _ in range(3):
            self.firewall.flush()
            self.clock.advance(0.1)
        self.turns(lambda: bool(closing.done.called))
        self.assertEqual({}, self.firewall.open_())

    def closeHeld(self, seconds: int = 0) -> tuple[list[str], Closing]:
        """Begin to close many; the guard does not answer yet."""
        self.guard.portions.clear()
        sources = self.openMany(AT_ONCE, seconds)
        self.guard.holding = True
        closing = self.close()
        self.turns(lambda: self.guard.portions == [AT_ONCE])
        self.assertEqual(AT_ONCE, len(self.firewall.open_()))
        self.events.clear()
        return sources, closing

    def test_knockDuring(self) -> None:
        """A client that knocks while the guard is closing stays in, and both have a line."""
        (*_, late), closing = self.closeHeld()
        self.request(50, late)
        self.guard.holding = False
        self.guard.answerAll()
        self.turns(lambda: bool(closing.done.called))
        self.turns(lambda: self.select().total == 1)
        self.assertEqual({late: 50.0}, self.firewall.open_())
        told = [event.kind for event in self.events if event.source == late]
        self.assertEqual([CLOSED, OPENED], told)
        self.clock.advance(50)
        self.assertEqual({}, self.firewall.open_())

    def test_shorterKnockDuring(self) -> None:
        """
        A client that knocks for less time than was left gets this time, and no more, whether the
        guard closes or refuses to; and what another key had earned does not come back.
        """
        for answer in (None, BUSY):
            self.keeper = self.makeKeeper(self.door)
            (*_, late), _ = self.closeHeld(600)
            until = self.clock.seconds() + 10
            bob = Principal("bob", "SHA256:b")
            self.keeper.request(Request(self.door, late, 10, who=bob))
            self.guard.holding = False
            self.guard.answer(answer)
            self.guard.answerAll()
            self.turns(lambda: len(self.firewall.open_()) == 1)
            self.assertEqual({late: until}, self.firewall.open_())
            self.assertEqual([(late, until)], self.openings())
            self.keeper.request(Request(self.door, late, 0, who=bob, close=True))
            self.turns(lambda: not self.firewall.open_())
            self.clock.advance(1)

    def test_knockAfterRefusal(self) -> None:
        """A client that knocks before its turn to be closed singly comes stays in."""
        (*_, late), closing = self.closeHeld()
        self.guard.holding = False
        self.guard.answer(BUSY)
        self.guard.answerAll()
        self.assertIn(late, self.firewall.open_())
        self.request(50, late)
        self.turns(lambda: bool(closing.done.called))
        self.assertEqual({late: 50.0}, self.firewall.open_())

    def test_knockBeforeRefusal(self) -> None:
        """So it does if the guard refuses to close, and the others are closed singly."""
        (*_, late), closing = self.closeHeld()
        self.request(50, late)
        self.guard.holding = False
        self.guard.answer(BUSY)
        self.guard.answerAll()
        self.turns(lambda: len(self.firewall.open_()) == 1)
        self.assertEqual({late: 50.0}, self.firewall.open_())
        self.turns(lambda: bool(closing.done.called))
        self.clock.advance(50)
        self.assertEqual({}, self.firewall.open_())

    def test_endsDuring(self) -> None:
        """
        Nothing is over before the guard has answered: neither an opening whose time ends meanwhile
        nor one that is closed twice is forgotten if the guard refuses.
        """
        sources, closing = self.closeHeld()
        again = self.keeper.close([("default", ip_address(sources[0]))], OPERATOR)
        for _ in range(5):
            passTurn(self.clock)
        self.assertEqual(0, self.kinds(CLOSED))
        self.assertNoResult(again.done)
        self.guard.holding = False
        self.guard.answer(BUSY)
        self.guard.answerAll()
        self.turns(lambda: not self.firewall.open_())
        self.turns(lambda: bool(closing.done.called and again.done.called))

    def test_knockMeanwhile(self) -> None:
        """
        A client that knocks again after the guard has closed, and before the log says so, is let
        in again, and both have a line.
        """
        sources = self.openMany(1000)
        closing = self.close()
        self.turns(lambda: bool(closing.done.called))
        self.events.clear()
        late = sources[-1]
        self.assertNotIn(late, self.firewall.open_())
        self.request(60, late)
        self.assertLess(self.turns(lambda: late in self.firewall.open_()), 3)
        told = [event.kind for event in self.events if event.source == late]
        self.assertEqual([CLOSED, OPENED], told)
        self.turns(lambda: self.select().total == 1)
        self.assertEqual({late: 60.0}, self.firewall.open_())
        self.assertEqual((1, 0, 0), self.keeper.state().counts["default"])
        self.clock.advance(60)
        self.assertEqual({}, self.firewall.open_())

    def test_outer(self) -> None:
        """With an outer firewall, an opening is closed when that has closed it, too."""
        outer = FakeFirewall(self.clock, "outer")
        daemon = MemoryDaemon(self.clock, [self.firewall, outer], (self.door,))
        self.keeper, self.events = daemon.keeper, daemon.events
        self.openMany(300)
        outer.holding = True
        closing = self.close()
        self.turns(lambda: bool(closing.asked.called))
        self.assertEqual(({}, 300), (self.firewall.open_(), len(outer.open_())))
        self.assertNoResult(closing.done)
        key = ("default", ip_address("10.0.0.1"))
        self.assertTrue(daemon.stack.isInnermostClosed(*key))
        outer.holding = False
        outer.answerAll()
        self.turns(lambda: not outer.open_())
        self.successResultOf(closing.done)
        self.assertFalse(daemon.stack.isInnermostClosed(*key))
        self.assertEqual([250, 50], self.guard.portions)


class ReloadTests(ManyTestCase):
    """
    A reload that ends very many.
    """

    def setUp(self) -> None:
        """Open, for many and for one who stays."""
        super().setUp()
        self.web = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, self.web)
        self.keeper.start()
        self.openMany(1500)
        self.keeper.request(Request(self.web, ANN, 0))
        self.calls()

    def change(self) -> Deferred[None]:
        """Begin to remove a door."""
        return Deferred.fromCoroutine(self.keeper.change((self.web,)))

    def test_notAskedAgain(self) -> None:
        """
        The guard has closed them with the change, so it is not asked to close each. All have their
        lines in the log, in turns.
        """
        done = self.change()
        self.assertLess(self.kinds(CLOSED), 2 * PER_TURN)
        self.turns(lambda: bool(done.called))
        self.successResultOf(done)
        self.turns(lambda: self.kinds(CLOSED) == 1500)
        self.assertEqual([(ANN, 30.0)], self.openings())
        closes = [call for call in self.calls() if call.startswith("close")]
        self.assertLessEqual(len(closes), CARRIED_FEW)
        reasons = {event.reason for event in self.events if event.kind == CLOSED}
        self.assertEqual({"because the new configuration has no such door"}, reasons)

    def test_knockMeanwhile(self) -> None:
        """
        A client that knocks before its earlier opening has ended gets what it knocks for, and
        nothing comes back of what was granted for the earlier ports.
        """
        moved, late = replace(self.door, ports=parse("8443")), "10.9.9.9"
        self.keeper.request(Request(self.door, late, 0, who=Principal("eve", "SHA256:eve")))
        done = Deferred.fromCoroutine(self.keeper.change((moved, self.web)))
        self.assertNotIn(late, self.firewall.open_())
        ann = Principal("ann", "SHA256:ann")
        self.keeper.request(Request(moved, late, 0, who=ann))
        self.turns(lambda: late in self.firewall.open_())
        self.turns(lambda: bool(done.called))
        self.assertEqual({ANN: 30.0, late: 30.0}, self.firewall.open_())
        source = ip_address(late)
        doors = [each.door for each in self.keeper.openings() if each.source == source]
        self.assertEqual([moved], doors)
        self.keeper.request(Request(moved, late, 0, close=True, who=ann))
        self.turns(lambda: late not in self.firewall.open_())
        self.turns(lambda: self.select().total == 1)
        told = [event.kind for event in self.events if event.source == late]
        self.assertEqual([OPENED, CLOSED, OPENED, CLOSED], told)

    def test_notPutBack(self) -> None:
        """A healing meanwhile puts back only what goes on."""
        done = self.change()
        self.assertNoResult(done)
        self.firewall.flush()
        passTurn(self.clock)
        self.assertEqual({ANN: 30.0}, self.firewall.open_())
        self.assertLess(self.kinds(CLOSED), 1500)
        self.turns(lambda: bool(done.called))
        self.firewall.flush()
        self.clock.advance(0.1)
        self.assertEqual({ANN: 30.0}, self.firewall.open_())

    def test_outer(self) -> None:
        """Outer firewalls close each."""
        outer = FakeFirewall(self.clock, "outer")
        daemon = MemoryDaemon(self.clock, [self.makeGuard(), outer], (self.door, self.web))
        self.keeper, self.events = daemon.keeper, daemon.events
        self.openMany(100)
        self.assertEqual(100, len(outer.open_()))
        done = self.change()
        self.turns(lambda: bool(done.called) and not outer.open_())
        self.assertEqual(100, self.kinds(CLOSED))
        self.assertFalse(daemon.stack.isInnermostClosed("default", ip_address("10.0.0.99")))

    def makeGuard(self) -> FakeFirewall:
        """Return another guard."""
        return FakeFirewall(self.clock)


class ExpiryTests(ManyTestCase):
    """
    The end of very many at the same time.
    """

    def test_inTurns(self) -> None:
        """They end in turns, and no timer or coroutine is left."""
        self.openMany(500)
        self.assertLessEqual(len(self.clock.getDelayedCalls()), 3)
        self.clock.rightNow += 30
        passTurn(self.clock)
        passTurn(self.clock)
        self.assertLessEqual(self.kinds(CLOSED), 2 * PER_TURN)
        self.turns(lambda: self.kinds(CLOSED) == 500)
        self.clock.advance(1)
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))

    def test_takenOver(self) -> None:
        """What an earlier daemon left is known at once, and has its lines in turns."""
        self.firewall.before = [
            makeOpening(str(IPv4Address("10.0.0.1") + number), deadline=30.0)
            for number in range(500)
        ]
        self.keeper.start()
        self.assertEqual((500, PER_TURN), (len(self.keeper.openings()), self.kinds(TAKEN_OVER)))
        self.request(60, "10.0.1.244")
        self.turns(lambda: self.kinds(TAKEN_OVER) >= 499)
        self.clock.advance(31)
        self.turns(lambda: self.kinds(CLOSED) == 499)
        self.assertEqual([("10.0.1.244", 60.0)], self.openings())


class PageTests(ManyTestCase):
    """
    Tests of pages of openings.
    """

    def setUp(self) -> None:
        """Open two doors."""
        super().setUp()
        self.web = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        self.keeper = self.makeKeeper(self.door, self.web)
        for number in range(1, 8):
            door = self.web if number % 2 else self.door
            self.keeper.request(Request(door, f"10.0.0.{number}", number, who=OPERATOR))
        for source in (ANN, BOB, "10.0.1.0/24"):
            self.keeper.request(Request(self.door, source, 20, who=OPERATOR))

    def names(self, page: Page) -> list[str]:
        """Return the sources of a page."""
        return [str(status.opening.source) for status in page.statuses]

    def test_pages(self) -> None:
        """Pages follow each other, and the last one says so."""
        self.patch(_selecting, "SLICE", 2)
        names, after = [], FIRST
        for number in range(4):
            page = self.find(after=after, limit=3)
            self.assertEqual(10, page.total)
            names += self.names(page)
            self.assertEqual(number == 3, page.next is None)
            after = parseCursor(formatCursor(page.next)) if page.next else FIRST
        self.assertEqual([*(f"10.0.0.{n}" for n in range(1, 8)), ANN, BOB, "10.0.1.0/24"], names)

    def find(self, **selection: Any) -> Page:
        """Return a page, however many turns that takes."""
        found = Deferred.fromCoroutine(self.keeper.select(Selection(**selection)))
        self.turns(lambda: bool(found.called))
        return self.successResultOf(found)

    def test_exactly(self) -> None:
        """A page that has room for just all is the last one; one without room only counts."""
        page = self.find(limit=10)
        self.assertEqual((10, None), (len(page.statuses), page.next))
        page = self.find(limit=0)
        self.assertEqual((0, 10, None), (len(page.statuses), page.total, page.next))

    def test_filters(self) -> None:
        """Openings are chosen by door and by network, and all that fit are counted."""
        page = self.find(door="web", limit=2)
        self.assertEqual((["10.0.0.1", "10.0.0.3"], 4), (self.names(page), page.total))
        page = self.find(door="web", limit=2, after=page.next)
        self.assertEqual(["10.0.0.5", "10.0.0.7"], self.names(page))
        page = self.find(within=readSource("10.0.0.4/30"), limit=2)
        self.assertEqual((["10.0.0.4", "10.0.0.5"], 4), (self.names(page), page.total))
        page = self.find(within=readSource("10.0.0.4/30"), limit=2, after=page.next)
        self.assertEqual(
            (["10.0.0.6", "10.0.0.7"], 4, None), (self.names(page), page.total, page.next)
        )
        page = self.find(within=readSource("10.0.0.0/8"), door="default")
        self.assertEqual(4, page.total)
        self.assertIn("10.0.1.0/24", self.names(page))
        self.assertEqual([BOB], self.names(self.find(within=readSource("2001:db8::/32"))))
        page = self.find(source=ip_address("10.0.1.7"))
        self.assertEqual((["10.0.1.0/24"], 1), (self.names(page), page.total))

    def test_counts(self) -> None:
        """The state has the numbers for each door."""
        counts = self.keeper.state().counts
        self.assertEqual(((6, 1, 0), (4, 0, 0)), (counts["default"], counts["web"]))
        self.clock.advance(25)
        self.turns(lambda: not self.select().total)
        self.assertEqual({(0, 0, 0)}, {*self.keeper.state().counts.values()})

    def test_slices(self) -> None:
        """However many there are, a turn looks at a bounded number."""
        self.keeper = self.makeKeeper(self.door)
        self.openMany(3000)
        found = Deferred.fromCoroutine(self.keeper.select(Selection()))
        self.assertFalse(found.called)
        self.turns(lambda: bool(found.called))
        self.assertEqual(3000, len(self.successResultOf(found).statuses))

    def test_cursors(self) -> None:
        """A place is written and read exactly."""
        for place in ((30.0, 1), (51234.123456789012, 99), (1e-7, 5)):
            self.assertEqual(place, parseCursor(formatCursor(place)))
        for text in (
            "",
            "x",
            "1",
            "1:",
            "-1:2",
            "nan:1",
            "inf:1",
            "1e999999:1",
            "1:2:3",
            "9" * 400 + ":1",
        ):
            self.assertRaises(BadValue, parseCursor, text)
