"""Tests of what happens while a thread works on the guard."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

from twisted.internet.defer import Deferred

from pkdoors.doorkeeper.openings.lives import Each
from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.firewall.guard import openingkeys
from pkdoors.firewall.guard.guard import TABLE
from pkdoors.firewall.guard.openingkeys import sourceKey
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.placing import healing
from pkdoors.model.doors import Opening
from pkdoors.model.sources import Source, readSource
from pkdoors.util import lane
from pkdoors.util.lane import Lane
from tests.fakes.doors import makeDoor, makeOpening
from tests.fakes.threads import HeldThread
from tests.firewall.nftables.firewallcase import NEXT, NftablesTestCase

SSH = makeDoor(name="ssh")
WEB = makeDoor(NEXT, "443", name="web")
COUNT = 12
SET = "tcp_open4"


class BesideTests(NftablesTestCase):
    """
    A door that is open for some clients, put in place four at a time, by a thread that waits for
    the test before each step.
    """

    def setUp(self) -> None:
        """Start, and open."""
        super().setUp()
        self.patch(healing, "FEW", 2)
        self.patch(lane, "PORTION", 0.0)
        self.patch(openingkeys, "TOGETHER", 8)
        self.begin()

    def begin(self) -> None:
        """Start with an empty kernel, and open."""
        self.flush()
        self.firewall = self.make()
        self.wanted: dict[Source, Opening] = {}
        self.start(SSH, WEB)
        for number in range(1, COUNT + 1):
            self.successResultOf(self.open(f"10.0.0.{number}"))

    def make(self) -> NftablesFirewall:
        """See L{NftablesTestCase.make}."""
        self.thread = HeldThread()
        return NftablesFirewall(
            self.clock,
            self.makeTable,
            self.watch.make,
            self.look,
            lambda: self.up,
            lane=Lane(self.clock, self.thread),
        )

    def open(self, source: str, deadline: float = 100.0) -> Deferred[None]:
        """Open, as the doorkeeper does."""
        opening = Opening(SSH, readSource(source), deadline)
        self.wanted[opening.source] = opening
        return self.firewall.open(opening)

    def close(self, source: str) -> Deferred[None]:
        """Close."""
        return self.firewall.close(self.wanted.pop(readSource(source)))

    def heal(self) -> Deferred[None]:
        """Begin to put the guard back."""
        return self.watchEnd(self.firewall.restore(self.each()))

    def each(self) -> Each:
        """Return what is wanted, whenever it is looked at."""

        def look() -> Iterator[Opening]:
            for source in [*self.wanted]:
                if source in self.wanted:  # each when its turn comes
                    yield self.wanted[source]

        return Each(look)

    def watchEnd(self, done: Deferred[None]) -> Deferred[None]:
        """Return what fires together with something, which may wait although it was called."""
        ended: Deferred[None] = Deferred()
        done.addCallbacks(ended.callback, ended.errback)
        return ended

    def step(self) -> bool:
        """Let the thread take its next step, and the reactor a turn. Return whether it did."""
        isWorking = len(self.thread) > 0
        if isWorking:
            self.thread.work()
        self.clock.advance(0)
        return isWorking

    def finish(self, *waiting: Deferred[None]) -> None:
        """Let it work to the end."""
        for _ in range(500):
            if not self.step() and all(each.called for each in waiting):
                break
        for each in waiting:
            self.successResultOf(each)

    def assertRight(self, about: object) -> None:
        """Check that the kernel has what is wanted."""
        wanted = {str(source): each.deadline for source, each in self.wanted.items()}
        self.assertEqual(wanted, self.tables.sources(SET), about)
        self.assertTrue(self.ours().guards())

    def tryAll(self, begin: Callable[[], Deferred[None]], act: Callable[[], object]) -> None:
        """Do something before each step of some work."""
        for number in range(100):
            self.begin()
            done = begin()
            for _ in range(number):
                self.step()
            if done.called and not len(self.thread):
                self.assertGreater(number, 3)
                return
            act()
            self.finish(done)
            self.assertRight(number)

    def healed(self) -> Deferred[None]:
        """Flush, and begin to put the guard back."""
        self.flush()
        return self.heal()

    def reloaded(self) -> Deferred[None]:
        """Begin a reload that removes a door without openings."""
        self.firewall.setDoors((SSH,))
        return self.heal()

    def closed(self) -> Deferred[None]:
        """Begin to close many."""
        gone = {source: self.wanted.pop(source) for source in [*self.wanted][:10]}

        def look() -> Iterator[Opening]:
            for source, opening in gone.items():
                if source not in self.wanted:
                    yield opening

        return self.watchEnd(self.firewall.closeMany(Each(look)))

    def change(self) -> None:
        """One comes, two leave, of whom one comes again, and one gets more time."""
        for source in ("192.0.2.1", "10.0.0.11"):
            self.keep(source, 150.0)
        self.close("10.0.0.12")
        self.keep("10.0.0.2", 30.0)
        self.close("10.0.0.2")
        self.keep("10.0.0.2", 40.0)

    def keep(self, source: str, deadline: float) -> None:
        """Open, and again after a healing if that fails, as the doorkeeper does."""
        self.open(source, deadline).addErrback(
            lambda _: self.clock.callLater(1, self.open, source, deadline)
        )

    def test_reload(self) -> None:
        """Before each step of a reload, clients come and go: what is wanted at the end is there."""
        self.tryAll(self.reloaded, self.change)

    def test_close(self) -> None:
        """So it is while many are closed; one that comes again stays."""
        self.tryAll(self.closed, self.change)

    def test_heal(self) -> None:
        """So it is while the guard is put back. Until it is, nobody is let in."""

        def act() -> None:
            for source in ("10.0.0.12", "10.0.0.2"):
                self.close(source)

        self.tryAll(self.healed, act)

    def test_flush(self) -> None:
        """A flush between two steps of a healing, or a reload, begins it again."""

        def act() -> None:
            self.flush()
            self.watch.changed("nft")
            self.flushes.append(self.heal())

        self.flushes: list[Deferred[None]] = []
        self.tryAll(self.healed, act)
        self.tryAll(self.reloaded, act)

    def test_waits(self) -> None:
        """While a step is taken, the kernel hears of nothing else; then in the order of arrival."""
        done = self.healed()
        for _ in range(3):
            self.step()
        self.tables.steps.clear()
        opened, closed = self.open("192.0.2.1"), self.close("192.0.2.1")
        again = self.open("192.0.2.1", 50.0)
        for each in (opened, closed, again):
            self.assertNoResult(each)
        self.assertEqual([], self.tables.steps)
        self.assertEqual([], self.firewall.findUsed([]))
        self.thread.work()
        for each in (opened, closed, again):
            self.successResultOf(each)
        self.assertEqual(50.0, self.tables.sources(SET)["192.0.2.1"])
        self.finish(done)
        self.assertRight("")

    def test_cancelled(self) -> None:
        """An opening that is not wanted any more when the step is over is not opened."""
        done = self.healed()
        self.step()
        opened = self.open("192.0.2.1")
        del self.wanted[readSource("192.0.2.1")]
        opened.cancel()
        self.failureResultOf(opened)
        self.finish(done)
        self.assertRight("")

    def test_deadline(self) -> None:
        """An opening whose time ends during a step is not put back."""
        self.open("192.0.2.1", 5.0)
        done = self.healed()
        self.step()
        self.clock.advance(6)
        del self.wanted[readSource("192.0.2.1")]
        self.finish(done)
        self.assertNotIn("192.0.2.1", self.tables.sources(SET))
        self.assertEqual(COUNT, len(self.tables.sources(SET)))

    def test_tooLate(self) -> None:
        """An opening whose time is over when its turn comes is not opened even for a moment."""
        done = self.healed()
        self.step()
        late = self.open("192.0.2.1", 5.0)
        self.clock.advance(6)
        del self.wanted[readSource("192.0.2.1")]
        self.tables.steps.clear()
        self.thread.work()
        self.failureResultOf(late, DeadlinePassed)
        self.assertNotIn("192.0.2.1", self.tables.sources(SET))
        self.finish(done)

    def test_used(self) -> None:
        """
        That an opening for one connection is used is known at any time; that one is lost, only when
        nothing is at work.
        """
        self.flush()
        self.firewall = self.make()
        self.start(makeDoor(once=True))
        used, away = [makeOpening(source, 30.0, once=True) for source in ("10.0.0.1", "10.0.0.2")]
        self.finish(*(self.watchEnd(self.firewall.open(each)) for each in (used, away)))
        self.tables.put("default_used4", sourceKey(used.source), 30.0)
        self.tables.tables[TABLE].sets["default_once4"].elements.pop(sourceKey(away.source))
        closing = self.watchEnd(self.firewall.closeMany([makeOpening("10.0.0.3", 30.0, once=True)]))
        self.assertEqual([(used, True)], self.firewall.findUsed([used, away]))
        self.finish(closing)
        self.assertEqual([(used, True), (away, False)], self.firewall.findUsed([used, away]))

    def test_refused(self) -> None:
        """If the kernel refuses to close many, each can be closed by itself."""

        def refuse(step: str) -> None:
            raise FirewallError("busy")

        openings = [*self.wanted.values()]
        self.tables.failing = refuse
        closing = self.watchEnd(self.firewall.closeMany(openings))
        while self.step():
            pass
        self.failureResultOf(closing, FirewallError)
        self.assertRight("")
        self.tables.failing = lambda step: None
        for opening in openings:
            self.successResultOf(self.firewall.close(opening))
        self.assertEqual({}, self.tables.sources(SET))

    def test_network(self) -> None:
        """The first network of a length changes the rules in the thread; others wait for that."""
        opening = Opening(SSH, readSource("10.9.0.0/22"), 100.0)
        opened = self.firewall.open(opening)
        late = self.open("192.0.2.1")
        self.assertNoResult(opened)
        self.assertNoResult(late)
        self.thread.work()
        self.successResultOf(opened)
        self.successResultOf(late)
        self.successResultOf(self.firewall.open(Opening(SSH, readSource("10.9.4.0/22"), 100.0)))

    def test_stop(self) -> None:
        """The daemon's end waits for what the thread does."""
        done = self.healed()
        self.step()
        stopped = self.firewall.stop()
        self.finish(done)
        self.finish(self.watchEnd(stopped))
        self.assertRight("")

    def test_manyPorts(self) -> None:
        """Openings of a door with very many ports fit into messages."""
        ports = ",".join(map(str, range(1001, 1601, 2)))
        many = makeDoor(NEXT, ports, name="many")
        self.flush()
        self.patch(openingkeys, "TOGETHER", 800)
        self.firewall = self.make()
        self.start(many)
        first = IPv4Address("10.0.0.1")
        openings = [Opening(many, first + number, 100.0) for number in range(20)]
        self.finish(self.watchEnd(self.firewall.restore(openings)))
        self.assertEqual(20 * 300, len(self.tables.living(TABLE, SET)))
