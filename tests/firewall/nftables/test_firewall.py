"""Tests of L{pkdoors.firewall.nftables.firewall} and L{pkdoors.firewall.nftables.standalone}."""

from collections.abc import Callable
from typing import Any

from twisted.logger import LogLevel
from zope.interface.verify import verifyObject

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard import guard, sets
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.firewall.guard.limits import DROPPED
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.nftables._liveflows import LiveFlows
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.standalone import removeGuard
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Door
from tests.fakes.doors import makeDoor, makeOpening
from tests.fakes.log import Log
from tests.fakes.tables import OUR_PORT, FakeTable
from tests.firewall.nftables.firewallcase import ANN, NEXT, NftablesTestCase


class NftablesFirewallTests(NftablesTestCase):
    """
    Tests of L{NftablesFirewall}.
    """

    def test_interface(self) -> None:
        """The firewall is an L{IFirewall} called nftables."""
        verifyObject(IFirewall, self.firewall)
        self.assertEqual("nftables", self.firewall.name)

    def test_nothingBeforePrepare(self) -> None:
        """Making the firewall does not load the library."""
        self.assertEqual([], self.libraries)

    def test_prepare(self) -> None:
        """Preparing has the kernel check the guard, changes nothing, and leaves nothing open."""
        self.firewall.prepare(self.doors)
        (library,) = self.libraries
        self.assertEqual((1, []), (len(library.judged), self.tables.steps))
        self.assertFalse(library.kernel.isOpen)

    def test_prepareRefused(self) -> None:
        """A guard that the kernel would refuse is an error, which leaves nothing open."""

        def make(seconds: Callable[[], float]) -> GuardTable:
            table = self.makeTable(seconds)
            self.libraries[-1].error = FirewallError("no")
            return table

        firewall = NftablesFirewall(self.clock, make)
        self.assertRaises(FirewallError, firewall.prepare, self.doors)
        self.assertFalse(self.libraries[-1].kernel.isOpen)

    def test_start(self) -> None:
        """Starting puts the guard in place, without openings, and begins to watch it."""
        self.assertEqual([], self.start())
        self.assertTrue(self.ours().guards())
        self.assertEqual((True, OUR_PORT), (self.watch.isOn, self.watch.port))

    def test_foreseen(self) -> None:
        """
        What was computed for other doors is used when they come, so the reactor does not wait for
        it; other doors than those are guarded as well.
        """
        made: list[tuple[Door, ...]] = []
        original = sets.setsFor

        def note(doors: tuple[Door, ...], *more: Any) -> Any:
            made.append(doors)
            return original(doors, *more)

        web = (*self.doors, makeDoor(ports="443", name="web"))
        self.start()
        self.patch(guard, "setsFor", note)
        self.firewall.foresee(web)
        self.assertIn(web, made)
        made.clear()
        self.firewall.setDoors(web)
        self.restore()
        self.assertEqual([], made)
        self.assertTrue(self.judging(443))
        self.firewall.foresee(self.doors)
        other = (*self.doors, makeDoor(ports="444", name="web"))
        self.firewall.setDoors(other)
        self.restore()
        self.assertTrue(self.judging(444))
        self.assertRaises(KeyError, self.judging, 443)

    def test_takesOver(self) -> None:
        """Existing openings stay, with the time that they have left."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(deadline=60.0)))
        self.clock.advance(18)
        self.firewall = self.make()
        self.assertEqual([makeOpening(deadline=60.0)], self.start())
        self.assertEqual({ANN: 42.0}, self.tables.sources("tcp_open4"))

    def test_strangeTable(self) -> None:
        """A table of our name that is not ours is replaced, with a warning."""
        self.tables.tables[TABLE] = FakeTable(1)
        self.assertEqual([], self.start())
        self.assertTrue(self.ours().guards())
        (warning,) = self.log.lines(LogLevel.warn)
        self.assertIn("does not belong to pkdoors: replaced", warning)

    def test_noLongerProtected(self) -> None:
        """A port that was closed, and is not any more, is reported."""
        self.start(makeDoor(ports="22,80"))
        self.firewall = self.make()
        self.start(makeDoor(ports="22"))
        (warning,) = self.log.lines(LogLevel.warn)
        self.assertTrue(warning.startswith("80/tcp: an earlier daemon kept this closed"), warning)

    def test_lost(self) -> None:
        """From the start to the stop, changes of the guard by others are reported."""
        self.start()
        self.watch.changed("nft")
        self.assertEqual(["nft changed the guard"], self.lost)
        self.successResultOf(self.firewall.stop())
        self.assertFalse(self.watch.isOn)

    def test_stop(self) -> None:
        """Stopping changes nothing, lets go of everything, and says how to remove the guard."""
        self.start()
        self.successResultOf(self.firewall.close(makeOpening()))  # schedules a note of flows
        steps = list(self.tables.steps)
        self.successResultOf(self.firewall.stop())
        self.clock.advance(10)
        self.assertEqual(steps, self.tables.steps)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertFalse(self.libraries[-1].kernel.isOpen)
        self.assertEqual(
            ["the guard stays in the kernel; `pkdoors release` removes it"],
            self.log.lines(LogLevel.info),
        )

    def test_open(self) -> None:
        """Opening, extending and closing take one step each."""
        self.start()
        self.tables.steps.clear()
        for deadline in (30.0, 90.0):
            self.successResultOf(self.firewall.open(makeOpening(deadline=deadline)))
            self.assertEqual({ANN: deadline}, self.tables.sources("tcp_open4"))
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.tables.sources("tcp_open4"))
        self.assertEqual(3, len(self.tables.steps))

    def test_guardGone(self) -> None:
        """If somebody has flushed the tables, opening fails, and closing succeeds."""
        self.start()
        self.flush()
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)
        self.successResultOf(self.firewall.close(makeOpening()))

    def test_refusals(self) -> None:
        """If the kernel refuses, the error is raised, or fails the Deferred."""
        self.start()

        def refuse(step: str) -> None:
            raise FirewallError("no")

        self.tables.failing = refuse
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)
        self.failureResultOf(self.firewall.close(makeOpening()), FirewallError)
        self.failureResultOf(self.firewall.restore([makeOpening()]), FirewallError)
        self.assertRaises(FirewallError, self.make().start, self.doors, self.lost.append)

    def test_restore(self) -> None:
        """A flushed guard is restored, with its openings and the time that they have left."""
        self.start()
        self.clock.advance(10)
        self.flush()
        self.restore(makeOpening(deadline=30.0), makeOpening("2001:db8::7", deadline=12.5))
        self.assertTrue(self.ours().guards())
        self.assertEqual({ANN: 20.0}, self.tables.sources("tcp_open4"))
        self.assertEqual({"2001:db8::7": 2.5}, self.tables.sources("tcp_open6"))

    def test_restoreUnread(self) -> None:
        """
        The guard is restored even if the connections cannot be read, for example because no
        descriptor is left. That is logged once, until they can be read again.
        """
        self.start()
        log = Log(self)
        look = self.firewall._sessions._look

        def fail() -> LiveFlows:
            raise FirewallError("cannot read it")

        for looking, count in ((fail, 1), (fail, 1), (look, 1), (fail, 2)):
            self.firewall._sessions._look = looking
            self.flush()
            self.restore(makeOpening())
            self.assertTrue(self.ours().guards())
            self.assertEqual({ANN: 30.0}, self.tables.sources("tcp_open4"))
            self.assertEqual(count, len(log.lines(LogLevel.warn)))

    def test_keep(self) -> None:
        """Restorations after a change of doors are for the new doors; nothing changes before."""
        self.start()
        steps = list(self.tables.steps)
        self.firewall.setDoors((makeDoor(NEXT, "443", name="web"),))
        self.assertEqual(steps, self.tables.steps)
        self.restore(makeOpening(sequence=NEXT, ports="443", name="web"))
        self.assertEqual({ANN: 30.0}, self.tables.sources("tcp_open4"))
        self.assertEqual({(443).to_bytes(2)}, {*self.ours().sets["tcp_ports"].elements})

    def test_flushedInTheMidst(self) -> None:
        """
        If somebody flushes nftables while the guard is put in place, the work begins again, but
        not for ever.
        """
        self.start()
        flushes = [True]

        def flush(step: str) -> None:
            if step.startswith("add pkdoors tcp_open4") and (flushes.pop() if flushes else 0):
                self.flush()

        self.tables.failing = flush
        self.restore(makeOpening())
        self.assertTrue(self.ours().guards())
        self.assertEqual({ANN: 30.0}, self.tables.sources("tcp_open4"))
        flushes.extend([True] * 1000)
        other = makeOpening(deadline=60.0)
        self.failureResultOf(self.firewall.restore([other]), FirewallError)

    def test_keepUnread(self) -> None:
        """If the connections cannot be read, the doors are as before."""
        self.start()

        def fail() -> LiveFlows:
            raise FirewallError("cannot read it")

        self.firewall._sessions._look = fail
        before = [*self.tables.steps]
        self.firewall.setDoors((makeDoor(ports="443", name="web"),))
        self.failureResultOf(self.firewall.restore([]), FirewallError)
        self.assertEqual(before, self.tables.steps)
        self.firewall.setDoors(self.doors)
        self.restore()
        self.assertIn("tcp_open4", self.ours().sets)


class DroppedTests(NftablesTestCase):
    """
    Tests of L{NftablesFirewall.countDropped}.
    """

    def test_dropped(self) -> None:
        """The count of dropped knocks is reported; it is 0 before there is a guard."""
        self.assertEqual(0, self.firewall.countDropped())
        self.start()
        self.assertEqual(0, self.firewall.countDropped())
        self.ours().counters["KnocksDropped"] = 7
        self.assertEqual([7, 7], [self.firewall.countDropped() for _ in range(2)])

    def test_madeAgain(self) -> None:
        """A counter that begins again, goes, or comes is neither subtracted nor counted twice."""
        web = makeDoor(NEXT, "443", name="web")
        self.start(makeDoor(), web)
        self.ours().counters[DROPPED] = 7
        self.flush()
        self.assertEqual(0, self.firewall.countDropped())
        self.restore()
        self.ours().counters[DROPPED] = 2
        self.assertEqual(2, self.firewall.countDropped())
        self.firewall.setDoors((web,))
        self.restore()
        self.ours().counters[DROPPED] += 5
        self.assertEqual([7, 7], [self.firewall.countDropped() for _ in range(2)])

    def test_rateless(self) -> None:
        """A door without a limit counts nothing."""
        self.start(makeDoor(knockRate=0))
        self.assertEqual(({}, 0), (self.ours().counters, self.firewall.countDropped()))


class RemoveTests(NftablesTestCase):
    """
    Tests of L{removeGuard}.
    """

    def test_remove(self) -> None:
        """The table is removed, even that of a hand-over, and the line says what was in it."""
        for number, words in ((0, "0 openings"), (1, "1 opening"), (2, "2 openings")):
            self.firewall = self.make()
            self.start()
            for n in range(number):
                self.successResultOf(self.firewall.open(makeOpening(f"203.0.113.{n}")))
            self.tables.tables[HANDOVER] = FakeTable(99)
            expected = [f"nftables: the table inet {TABLE}, with the guard and {words}"]
            self.assertEqual(expected, removeGuard(self.makeTable))
            self.assertEqual({}, self.tables.tables)
            self.assertFalse(self.libraries[-1].kernel.isOpen)

    def test_nothing(self) -> None:
        """If there is no table, there is no line."""
        self.assertEqual([], removeGuard(self.makeTable))

    def test_notOurs(self) -> None:
        """A table that a daemon owns stays, and the message says so."""
        self.isOwner = True
        self.firewall = self.make()
        self.start()
        self.ours().owner += 1
        error = self.assertRaises(FirewallError, removeGuard, self.makeTable)
        self.assertIn("another process owns the table inet pkdoors", str(error))
        self.assertFalse(self.libraries[-1].kernel.isOpen)
