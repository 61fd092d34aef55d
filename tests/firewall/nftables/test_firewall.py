"""Tests of L{pkdoors.firewall.nftables.firewall} and L{pkdoors.firewall.nftables.standalone}."""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flows import Flow
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.nftables import _reader
from pkdoors.firewall.nftables._liveflows import LiveFlows
from pkdoors.firewall.nftables._sessions import NOTE_AFTER
from pkdoors.firewall.nftables.firewall import SETTLED, NftablesFirewall
from pkdoors.firewall.nftables.standalone import removeGuard
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Door, Opening
from tests.fakes.doors import flow, listTCP, makeDoor, makeOpening
from tests.fakes.log import Log
from tests.fakes.nftables import FakeLibrary, FakeMonitor
from tests.fakes.tables import OUR_PORT, FakeTable, FakeTables
from tests.lab.conntracking import Entry, answerOf

NEXT = (1, 2, 3, 4, 5)
ANN, EVE = "203.0.113.9", "203.0.113.66"
DAY = 24 * 3600.0


class NftablesTestCase(SynchronousTestCase):
    """
    A firewall over a fake kernel.
    """

    def setUp(self) -> None:
        """Make a firewall with one door."""
        self.log = Log(self)
        self.clock = Clock()
        self.tables = FakeTables(self.clock)
        self.patch(_reader, "readBootId", lambda: "a boot")
        self.isOwner = False
        self.libraries: list[FakeLibrary] = []
        self.watch = FakeMonitor()
        self.lost: list[str] = []
        self.sockets: list[Flow] = []
        self.tracked: list[Entry] = []
        self.up = SETTLED
        self.doors: tuple[Door, ...] = (makeDoor(),)
        self.firewall = self.make()

    def make(self) -> NftablesFirewall:
        """Make a firewall."""
        return NftablesFirewall(
            self.clock, self.makeTable, self.watch.make, self.look, lambda: self.up
        )

    def makeTable(self, seconds: Callable[[], float]) -> GuardTable:
        """Make its table."""
        self.libraries.append(FakeLibrary(self.tables, self.isOwner))
        return GuardTable(self.libraries[-1], self.isOwner, seconds, self.clock.seconds)

    def look(self) -> LiveFlows:
        """Find the existing connections."""
        return LiveFlows(lambda: [listTCP(*self.sockets)], lambda: answerOf(self.tracked))

    def start(self, *doors: Door) -> list[Opening]:
        """Start with some doors."""
        self.doors = doors or self.doors
        return self.firewall.start(self.doors, self.lost.append)

    def restore(self, *openings: Opening) -> None:
        """Restore these openings."""
        self.successResultOf(self.firewall.restore(openings))

    def ours(self) -> FakeTable:
        """Return our table in the kernel."""
        return self.tables.tables[TABLE]

    def flows(self, name: str) -> set[bytes]:
        """Return the contents of a set of flows."""
        return set(self.tables.flows(name))

    def flush(self) -> None:
        """Do what somebody does who flushes nftables."""
        self.tables.tables.clear()


class NftablesFirewallTests(NftablesTestCase):
    """
    Tests of L{NftablesFirewall}.
    """

    def test_interface(self) -> None:
        """It is an L{IFirewall} called nftables."""
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

    def test_takesOver(self) -> None:
        """Existing openings stay, with the time that they have left."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(deadline=60.0)))
        self.clock.advance(18)
        self.firewall = self.make()
        self.assertEqual([makeOpening(deadline=60.0)], self.start())
        self.assertEqual({ANN: 42.0}, self.tables.sources("default_open4"))

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
        """Others' changes of the guard are reported from the start to the stop."""
        self.start()
        self.watch.changed("nft")
        self.assertEqual(["nft changed the guard"], self.lost)
        self.successResultOf(self.firewall.stop())
        self.assertFalse(self.watch.isOn)

    def test_stop(self) -> None:
        """Stopping changes nothing, lets go of everything, and says how to remove the guard."""
        self.start()
        self.successResultOf(self.firewall.close(makeOpening()))  # which will note flows
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
            self.assertEqual({ANN: deadline}, self.tables.sources("default_open4"))
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.tables.sources("default_open4"))
        self.assertEqual(3, len(self.tables.steps))

    def test_guardGone(self) -> None:
        """If somebody has flushed the tables, opening fails, and closing has nothing to do."""
        self.start()
        self.flush()
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)
        self.successResultOf(self.firewall.close(makeOpening()))

    def test_refusals(self) -> None:
        """A refusal of the kernel's is raised, or fails the Deferred."""
        self.start()

        def refuse(step: str) -> None:
            raise FirewallError("no")

        self.tables.failing = refuse
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)
        self.failureResultOf(self.firewall.close(makeOpening()), FirewallError)
        self.failureResultOf(self.firewall.restore([]), FirewallError)
        self.assertRaises(FirewallError, self.make().start, self.doors, self.lost.append)

    def test_restore(self) -> None:
        """A flushed guard is restored, with its openings and the time that they have left."""
        self.start()
        self.clock.advance(10)
        self.flush()
        self.restore(makeOpening(deadline=30.0), makeOpening("2001:db8::7", deadline=12.5))
        self.assertTrue(self.ours().guards())
        self.assertEqual({ANN: 20.0}, self.tables.sources("default_open4"))
        self.assertEqual({"2001:db8::7": 2.5}, self.tables.sources("default_open6"))

    def test_restoreUnread(self) -> None:
        """
        So it is if the connections cannot be read, for example because no descriptor is left: the
        guard does not wait for that. It is logged once, until it is over.
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
            self.assertEqual({ANN: 30.0}, self.tables.sources("default_open4"))
            self.assertEqual(count, len(log.lines(LogLevel.warn)))

    def test_keep(self) -> None:
        """Restorations after a change of doors are for the new doors; nothing changes before."""
        self.start()
        steps = list(self.tables.steps)
        self.firewall.setDoors((makeDoor(NEXT, "443", name="web"),))
        self.assertEqual(steps, self.tables.steps)
        self.restore(makeOpening(sequence=NEXT, ports="443", name="web"))
        self.assertEqual({ANN: 30.0}, self.tables.sources("web_open4"))
        self.assertNotIn("default_open4", self.ours().sets)

    def test_flushedInTheMidst(self) -> None:
        """
        If somebody flushes while the guard is put in place, that begins again, but not for ever.
        """
        self.start()
        flushes = [True]

        def flush(step: str) -> None:
            if step.startswith("add pkdoors default_open4") and (flushes.pop() if flushes else 0):
                self.flush()

        self.tables.failing = flush
        self.restore(makeOpening())
        self.assertTrue(self.ours().guards())
        self.assertEqual({ANN: 30.0}, self.tables.sources("default_open4"))
        flushes.extend([True] * 1000)
        other = makeOpening(deadline=60.0)
        self.failureResultOf(self.firewall.restore([other]), FirewallError)

    def test_keepUnread(self) -> None:
        """If the connections cannot be read, the doors are as before."""
        self.start()

        def fail() -> LiveFlows:
            raise FirewallError("cannot read it")

        self.firewall._sessions._look = fail
        self.assertRaises(
            FirewallError, self.firewall.setDoors, (makeDoor(ports="443", name="web"),)
        )
        self.restore()
        self.assertIn("default_open4", self.ours().sets)


class DroppedTests(NftablesTestCase):
    """
    Tests of L{NftablesFirewall.countDropped}.
    """

    def test_dropped(self) -> None:
        """The count of dropped knocks is reported; it is 0 before there is a guard."""
        self.assertEqual(0, self.firewall.countDropped())
        self.start()
        self.assertEqual(0, self.firewall.countDropped())
        self.ours().counters["default_dropped"] = 7
        self.assertEqual([7, 7], [self.firewall.countDropped() for _ in range(2)])

    def test_madeAgain(self) -> None:
        """A counter that begins again, goes, or comes is neither subtracted nor counted twice."""
        web = makeDoor(NEXT, "443", name="web")
        self.start(makeDoor(), web)
        self.ours().counters.update(default_dropped=7, web_dropped=3)
        self.flush()
        self.assertEqual(0, self.firewall.countDropped())
        self.restore()
        self.ours().counters.update(default_dropped=2)
        self.assertEqual(2, self.firewall.countDropped())
        self.firewall.setDoors((web,))
        self.restore()
        self.ours().counters.update(web_dropped=5)
        self.assertEqual([7, 7], [self.firewall.countDropped() for _ in range(2)])

    def test_rateless(self) -> None:
        """A door without a limit counts nothing."""
        self.start(makeDoor(knockRate=0))
        self.assertEqual(({}, 0), (self.ours().counters, self.firewall.countDropped()))


class SpareTests(NftablesTestCase):
    """
    The connections that exist when a port becomes protected.
    """

    def test_firstStart(self) -> None:
        """At the first start all connections to the ports go on, and no others."""
        web = flow(port=80, sourcePort=40003)
        for cut in (False, True):
            self.flush()
            self.firewall = self.make()
            self.sockets = [flow(), flow(EVE, sourcePort=7), web]
            self.start(makeDoor(cutSessions=cut))
            expected = {flow().key, flow(EVE, sourcePort=7).key}
            self.assertEqual(expected, self.flows("spared4"))
            self.assertEqual(set(), self.flows("sessions4"))

    def test_forwarded(self) -> None:
        """So do those that DNAT leads elsewhere, as the guard sees them after it."""
        behind = flow(port=8022, address="10.0.0.7")
        self.tracked = [Entry(flow(port=22, address="10.0.0.1"), behind)]
        self.start()
        self.assertEqual({behind.key}, self.flows("spared4"))

    def test_nextStart(self) -> None:
        """
        At the next start they go on if the kernel remembers them; a connection that came between
        does not.
        """
        self.sockets = [flow()]
        self.start()
        self.sockets.append(flow(EVE))
        for cut in (False, True):
            self.firewall = self.make()
            self.start(makeDoor(cutSessions=cut))
            self.assertEqual({flow().key}, self.flows("spared4"))

    def test_forwardedAtTheNextStart(self) -> None:
        """
        A connection through DNAT was let in by an opening, whatever port it goes to after that: a
        later start or a reload does not spare it.
        """
        door = makeDoor(cutSessions=True)
        self.start(door)
        behind = flow(port=8022, address="10.0.0.7")
        self.tracked = [Entry(flow(port=22, address="10.0.0.1"), behind)]
        self.firewall.setDoors((door,))
        self.restore()
        self.firewall = self.make()
        self.start(door)
        self.assertEqual(set(), self.flows("spared4"))

    def test_afterStrangeTable(self) -> None:
        """A table that is not ours counts as none: no client had to knock."""
        self.tables.tables[TABLE] = FakeTable(1)
        self.sockets = [flow()]
        self.start(makeDoor(cutSessions=True))
        self.assertEqual({flow().key}, self.flows("spared4"))

    def test_keep(self) -> None:
        """
        A reload spares the connections to ports that become protected; not those to ports that are
        protected already, nor any that come later.
        """
        self.sockets = [flow()]
        self.start()
        web = makeDoor(NEXT, "443", name="web", cutSessions=True)
        old, late = flow(port=443), flow(EVE, 443)
        self.sockets = [flow(), flow(EVE), old]
        self.firewall.setDoors((*self.doors, web))
        self.restore()
        self.sockets.append(late)
        self.firewall.setDoors((*self.doors, web))
        self.restore()
        self.assertEqual({flow().key, old.key}, self.flows("spared4"))

    def test_keepRefused(self) -> None:
        """
        If the kernel refuses the new doors, the old ones are as they were: clients that knocked for
        the new doors are not spared.
        """
        self.sockets = [flow()]
        self.start(makeDoor(cutSessions=True))
        self.sockets = [flow(), flow(EVE)]

        def refuse(step: str) -> None:
            raise FirewallError("no")

        self.tables.failing = refuse
        self.firewall.setDoors((makeDoor(ports="443", name="web"),))
        self.failureResultOf(self.firewall.restore([]), FirewallError)
        self.tables.failing = lambda step: None
        self.firewall.setDoors(self.doors)
        self.restore()
        self.assertEqual({flow().key}, self.flows("spared4"))
        self.assertNotIn("web_open4", self.ours().sets)

    def test_udp(self) -> None:
        """Tracked UDP flows are spared for a time; then no port needs a grace."""
        vpn = flow(port=51820, protocol="udp")
        self.tracked = [Entry(vpn, vpn)]
        self.start(makeDoor(ports="51820/udp"))
        self.assertEqual({vpn.key: 180.0}, self.tables.flows("sparedudp4"))
        self.assertEqual({vpn.key: 3600.0}, self.tables.flows("sparedmost4"))
        self.assertEqual({}, self.tables.living(TABLE, "grace4"))


class GraceTests(NftablesTestCase):
    """
    UDP ports that are protected for the first time on a host that tracks nothing.
    """

    def graces(self) -> dict[str, int]:
        """Return the ports, and the seconds for which they stay open."""
        four, six = (self.gracesOver(version) for version in (4, 6))
        self.assertEqual(four, six)
        return four

    def gracesOver(self, version: int) -> dict[str, int]:
        """Return the same, over one version of IP."""
        now = self.tables.now()
        return {
            f"{int.from_bytes(key[:2], 'big')}-{int.from_bytes(key[2:], 'big')}": round(
                ((element.end or 0) - now) / 1000
            )
            for key, element in self.tables.living(TABLE, f"grace{version}").items()
        }

    def test_untracked(self) -> None:
        """Over a version of IP whose connections are tracked, no port needs a grace."""
        self.tracked = [Entry(flow(), flow())]
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.gracesOver(4))
        self.assertEqual({"53-53": 30}, self.gracesOver(6))

    def test_firstStart(self) -> None:
        """They stay open for a while, and that is logged."""
        self.start(makeDoor(ports="22,6000-6010/udp,53/udp"))
        self.assertEqual({"53-53": 30, "6000-6010": 30}, self.graces())
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.startswith("53/udp, 6000-6010/udp: protected for the first time"))
        self.clock.advance(30)
        self.assertEqual({}, self.graces())

    def test_sharedPorts(self) -> None:
        """A port of several doors has the shortest of their graces."""
        self.start(
            makeDoor(ports="6000-6010/udp", udpGrace=20.0),
            makeDoor(NEXT, "6005-6020/udp", name="b", udpGrace=10.0),
            makeDoor((6, 7, 8, 9, 10), "6020/udp,6030/udp", name="c", udpGrace=0.0),
        )
        self.assertEqual({"6000-6004": 20, "6005-6010": 10, "6011-6019": 10}, self.graces())

    def test_onlyOnce(self) -> None:
        """Neither a flush nor a reload opens them again."""
        self.start(makeDoor(ports="53/udp"))
        self.clock.advance(100)
        for _ in range(2):
            self.flush()
            self.restore()
            self.assertEqual({}, self.graces())
        self.firewall.setDoors((makeDoor(ports="53/udp,54/udp"),))
        self.restore()
        self.assertEqual({}, self.graces())

    def test_boot(self) -> None:
        """Soon after the boot there is nobody to spare."""
        self.up = SETTLED - 1
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())

    def test_nextStart(self) -> None:
        """A port that was protected before needs no grace, nor does one of a strange table."""
        self.start(makeDoor(ports="53/udp"))
        self.clock.advance(100)
        self.firewall = self.make()
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())
        self.flush()
        self.tables.tables[TABLE] = FakeTable(1)
        self.firewall = self.make()
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())

    def test_handingOver(self) -> None:
        """Nor does a port that was closed by a daemon that was killed while it handed over."""
        self.start(makeDoor(ports="53/udp"))
        self.clock.advance(100)
        self.tables.tables[HANDOVER] = self.tables.tables.pop(TABLE)
        self.firewall = self.make()
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())

    def test_off(self) -> None:
        """A door may have no grace."""
        self.start(makeDoor(ports="53/udp", udpGrace=0.0))
        self.assertEqual(({}, []), (self.graces(), self.log.lines()))


class NotesTests(NftablesTestCase):
    """
    The connections that go on after a flush.
    """

    def letIn(self, *flows: Flow, name: str = "sessions4") -> None:
        """Have the kernel let some clients in."""
        for session in flows:
            self.tables.put(name, session.key, 5 * DAY)

    def test_open(self) -> None:
        """
        A client that is connected through an open door goes on; strangers who got in meanwhile do
        not.
        """
        self.start(makeDoor(ports="22"), makeDoor(NEXT, "443", name="web"))
        self.flush()
        late = flow(ANN, 443, sourcePort=9)
        self.sockets = [flow(ANN), flow(EVE), late]
        self.restore(makeOpening(ANN))
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))

    def test_openAndCut(self) -> None:
        """If sessions are cut, no flow is noted."""
        self.start(makeDoor(cutSessions=True))
        self.flush()
        self.sockets = [flow(ANN)]
        self.restore(makeOpening(ANN, cutSessions=True))
        self.assertEqual(set(), self.flows("sessions4"))

    def test_notFlushed(self) -> None:
        """If the guard is still there, a stranger's change gives nobody a session."""
        self.start()
        self.sockets = [flow(ANN)]
        self.restore(makeOpening(ANN))
        self.assertEqual(set(), self.flows("sessions4"))

    def test_closed(self) -> None:
        """Sessions of a door that has closed go on: they are noted when it closes."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(ANN)))
        self.letIn(flow(ANN))
        self.clock.advance(29)
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        self.flush()
        self.restore()
        self.assertEqual({flow(ANN).key: 5 * DAY - 29}, self.tables.flows("sessions4"))

    def test_closings(self) -> None:
        """After many closings the flows are noted twice: at the first, and a moment later."""
        self.start()
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        asked = self.libraries[-1].kernel.asked
        for _ in range(100):
            self.letIn(flow(EVE))
            self.successResultOf(self.firewall.close(makeOpening(EVE)))
        self.assertEqual(asked, self.libraries[-1].kernel.asked)
        self.clock.advance(NOTE_AFTER)
        self.assertLess(asked, self.libraries[-1].kernel.asked)
        self.flush()
        self.restore()
        self.assertEqual({flow(EVE).key}, self.flows("sessions4"))

    def test_closedWithoutGuard(self) -> None:
        """A closing while there is no guard keeps the earlier notes."""
        self.start()
        self.letIn(flow(ANN))
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        self.flush()
        self.clock.advance(NOTE_AFTER)
        self.successResultOf(self.firewall.close(makeOpening(EVE)))
        self.restore()
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))

    def test_flushedMeanwhile(self) -> None:
        """So does a closing while the guard disappears."""
        self.start()
        self.letIn(flow(ANN))
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        kernel = self.libraries[-1].kernel
        dump = kernel.dump

        def goes(question: bytes) -> list[tuple[int, bytes]]:
            if b"sessions4" in question:
                self.flush()
            return dump(question)

        self.patch(kernel, "dump", goes)
        self.clock.advance(NOTE_AFTER)
        self.patch(kernel, "dump", dump)
        self.restore()
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))

    def test_ended(self) -> None:
        """A flow whose time is over does not come back."""
        self.start()
        self.tables.put("sessions4", flow().key, 120.0)
        self.successResultOf(self.firewall.close(makeOpening()))
        self.clock.advance(120)
        self.flush()
        self.restore()
        self.assertEqual(set(), self.flows("sessions4"))

    def test_owned(self) -> None:
        """If nobody else can remove the guard, nothing is noted: the kernel remembers."""
        self.isOwner = True
        self.firewall = self.make()
        self.start()
        asked = self.libraries[-1].kernel.asked
        for _ in range(3):
            self.successResultOf(self.firewall.close(makeOpening()))
            self.clock.advance(NOTE_AFTER)
        self.assertEqual(asked, self.libraries[-1].kernel.asked)


class UnsureTests(NftablesTestCase):
    """
    The kernel reported more changes than the socket could hold.
    """

    def setUp(self) -> None:
        """Have two openings, one of them for only a moment."""
        super().setUp()
        self.start()
        for source, deadline in ((ANN, 30.0), ("2001:db8::7", 3.0)):
            self.successResultOf(self.firewall.open(makeOpening(source, deadline)))

    def unsure(self) -> list[str]:
        """Return what is reported."""
        self.lost.clear()
        self.watch.unsure()
        return self.lost

    def test_same(self) -> None:
        """Nothing is done if all is as it was, including the elements that packets have added."""
        self.assertEqual([], self.unsure())
        self.tables.put("sessions4", flow().key, 100.0)
        self.clock.advance(2.5)
        self.assertEqual([], self.unsure())
        self.clock.advance(10)
        self.assertEqual([], self.unsure())
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        self.assertEqual([], self.unsure())
        self.firewall.setDoors((*self.doors, makeDoor(NEXT, "443", name="web")))
        self.restore()
        self.assertEqual([], self.unsure())

    def test_changed(self) -> None:
        """An opening too many or too few, a rule, a port, or the table: the guard is restored."""
        stranger = flow(EVE).source.packed
        changes: list[Callable[[FakeTable], Any]] = [
            lambda there: there.sets["default_open4"].elements.clear(),
            lambda there: self.tables.put("default_open4", stranger, 60.0),
            lambda there: there.rules.insert(0, (0, "input", "accept")),
            lambda there: there.rules.pop(),
            lambda there: there.sets["tcp_ports"].elements.clear(),
            lambda there: self.flush(),
        ]
        for number, change in enumerate(changes):
            change(self.ours())
            self.assertEqual(["somebody changed the guard"], self.unsure(), number)
            self.restore(makeOpening(ANN))
            self.assertEqual([], self.unsure(), number)

    def test_notTold(self) -> None:
        """If the kernel's table cannot be read, the guard is restored."""
        self.libraries[-1].kernel.refusing = FirewallError("busy")
        self.assertEqual(["somebody changed the guard"], self.unsure())


class RemoveTests(NftablesTestCase):
    """
    Tests of L{removeGuard}.
    """

    def test_remove(self) -> None:
        """The table goes, even that of a hand-over, and the line says what was in it."""
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
