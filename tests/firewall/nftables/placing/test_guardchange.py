"""
Tests of L{pkdoors.firewall.nftables.placing.guardchange}: whatever is opened, closed or extended
while a reload takes its turns, the kernel has exactly what is wanted afterwards.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doorkeeper.openings.lives import Each
from pkdoors.errors import FirewallError
from pkdoors.firewall.guard import openingkeys
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingkeys import listKeys
from pkdoors.firewall.nftables.placing import changing, guardchange
from pkdoors.firewall.nftables.placing.guardchange import GuardChange
from pkdoors.firewall.openings.table import OpeningTable
from pkdoors.model.doors import Door, Opening, carryOver
from pkdoors.model.sources import Source, readSource
from pkdoors.util import lane
from tests.fakes.doors import flow, makeDoor
from tests.firewall.nftables.firewallcase import EVE, NEXT, NftablesTestCase
from tests.lab.growth import measureGrowth

SSH = makeDoor(name="ssh")
WEB = makeDoor(NEXT, "443", name="web")
VPN = makeDoor((7, 8, 9, 10, 11), "51820/udp", name="vpn")
BOTH = makeDoor((8, 8, 9, 10, 11), "22,443", name="both")
NEW = makeDoor((8, 7, 9, 10, 11), "5432", name="db")
STARTED = (SSH, WEB, VPN, BOTH)

CHANGES: dict[str, tuple[Door, ...]] = {
    "more": (*STARTED, NEW),
    "less": (SSH, VPN, BOTH),
    "moved": (replace(WEB, ports=SSH.ports), VPN, BOTH),
    "once": (replace(SSH, once=True), WEB, VPN, replace(BOTH, once=True)),
    "times": (SSH, WEB, replace(VPN, udpIdle=50.0), BOTH),
    "cut": (replace(SSH, cutSessions=True), WEB, replace(VPN, cutSessions=True), BOTH),
    "shorter": (replace(SSH, maxOpenFor=40.0), WEB, replace(VPN, maxOpenFor=40.0), BOTH),
    "grants": (replace(SSH, authorizedKeys=("/keys",), grant4=24), WEB, VPN, BOTH),
}


async def inTurns(clock: IReactorTime, steps: Iterable[object]) -> None:
    """Take one step in each turn of the reactor."""
    for _ in steps:
        await deferLater(clock, 0)


LONGER = replace(SSH, maxOpenFor=2 * SSH.maxOpenFor)


class ChangingTestCase(NftablesTestCase):
    """
    Doors that share ports, each open for some clients.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.patch(lane, "PORTION", 0.0)
        self.patch(changing, "takeInTurns", inTurns)
        self.patch(openingkeys, "TOGETHER", 12)
        self.patch(guardchange, "LAST", 6)
        self.begin()

    def begin(self) -> None:
        """Start, and open."""
        self.flush()
        self.firewall = self.make()
        self.wanted: dict[tuple[str, Source], Opening] = {}
        self.numbers = count(1)
        self.start(*STARTED)
        for door in STARTED:
            for number in (1, 2, 3):
                self.open(door, f"10.0.0.{number}")

    def open(self, door: Door, source: str, deadline: float = 100.0) -> Deferred[None]:
        """Open a door, or extend an opening, as the doorkeeper does."""
        opening = Opening(door, readSource(source), deadline, grant=next(self.numbers))
        self.wanted[opening.key] = opening
        return self.firewall.open(opening)

    def close(self, door: Door, source: str) -> None:
        """Close it."""
        opening = self.wanted.pop((door.name, readSource(source)))
        self.successResultOf(self.firewall.close(opening))

    def change(self, *doors: Door) -> Deferred[None]:
        """Begin a reload. When it is done, openings get their new doors, as in the doorkeeper."""
        known, began = {door.name: door for door in doors}, self.clock.seconds()

        def carry() -> Iterator[Opening]:
            for key in [*self.wanted]:
                if key in self.wanted:
                    opening = self.wanted[key]
                    carried = carryOver(opening, known.get(key[0]), began)
                    if carried is not None:
                        yield carried

        def follow(_: None) -> None:
            self.wanted = {opening.key: opening for opening in carry()}

        self.firewall.setDoors((*doors,))
        return self.watchEnd(self.firewall.restore(Each(carry)).addCallback(follow))

    def watchEnd(self, done: Deferred[None]) -> Deferred[None]:
        """Return what fires together with something: that may wait although it has been called."""
        ended: Deferred[None] = Deferred()
        done.addCallbacks(ended.callback, ended.errback)
        return ended

    def turn(self) -> None:
        """Let one turn of the reactor pass."""
        for call in [call for call in self.clock.calls if call.getTime() <= self.clock.seconds()]:
            self.clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)

    def turns(self, done: Deferred[None]) -> int:
        """Let turns pass until that is done; return how many."""
        for number in range(1000):
            if done.called:
                return number
            self.turn()
        raise AssertionError("that never ends")

    def assertExact(self, about: object) -> None:
        """Check that the kernel has what is wanted, and nothing else, each until its deadline."""
        self.clock.advance(0)
        wanted: dict[tuple[str, bytes], float] = {}
        for opening in self.wanted.values():
            own, lookups = listKeys(opening)
            for key in (own, *lookups):
                wanted[key] = max(wanted.get(key, 0.0), opening.deadline)
        names = [
            name
            for name in self.ours().sets
            if name.startswith("openings") or "_open" in name or "_gate" in name or "once" in name
        ]
        present = {
            (name, key): round((each.end or 0.0) / 1000, 3)
            for name in names
            for key, each in self.tables.living(TABLE, name).items()
        }
        differing = {*wanted.items()} ^ {*present.items()}
        self.assertEqual(set(), differing, about)


class MeanwhileTests(ChangingTestCase):
    """
    Something happens at one of the turns of a reload.
    """

    def tryAll(self, act: Callable[[], object], but: str = "") -> None:
        """Do something at each turn of each change, but one."""
        for name, doors in CHANGES.items():
            for number in count() if name != but else ():
                self.begin()
                done = self.change(*doors)
                for _ in range(number):
                    self.turn()
                if done.called:
                    self.assertGreater(number, 3, name)
                    break
                act()
                self.turns(done)
                self.successResultOf(done)
                self.assertExact((name, number))
                self.assertTrue(self.ours().guards())

    def test_each(self) -> None:
        """
        At each door, somebody new comes, and of three clients one gets more time, one leaves, and
        one leaves and comes again.
        """

        def act() -> None:
            for door in STARTED:
                self.open(door, "192.0.2.1")
                self.open(door, "10.0.0.1", 200.0)
                self.close(door, "10.0.0.2")
                self.close(door, "10.0.0.3")
                self.open(door, "10.0.0.3", 50.0)

        self.tryAll(act)

    def test_openedAndClosed(self) -> None:
        """What was opened and closed again, at once or a turn later, does not come back."""

        def act() -> None:
            for door in STARTED:
                self.open(door, "192.0.2.1", 200.0)
                self.open(door, "192.0.2.2", 200.0)
                self.open(door, "10.0.0.1", 200.0)
            for door in STARTED:
                self.close(door, "192.0.2.1")
                self.close(door, "10.0.0.1")
            self.turn()
            for door in STARTED:
                if (door.name, readSource("192.0.2.2")) in self.wanted:
                    self.close(door, "192.0.2.2")

        self.tryAll(act)

    def test_flushed(self) -> None:
        """
        Somebody flushes nftables, and the daemon hears of it. Openings for one connection are not
        put back then.
        """

        def act() -> None:
            self.flush()
            self.watch.changed("nft")

        self.tryAll(act, but="once")

    def test_refused(self) -> None:
        """The kernel refuses at any step: the earlier doors and all openings come back."""
        for name, doors in CHANGES.items():
            for number in count():
                self.begin()
                left = [number]

                def refuse(step: str, left: list[int] = left) -> None:
                    left[0] -= 1
                    if left[0] == -1:
                        raise FirewallError("no")

                self.tables.failing = refuse
                before = dict(self.wanted)
                done = self.change(*doors)
                done.addErrback(lambda failure: failure.trap(FirewallError) and None)
                self.turns(done)
                self.tables.failing = lambda step: None
                if left[0] >= 0:
                    break
                self.firewall.setDoors(STARTED)
                self.wanted = before
                healed = self.watchEnd(self.firewall.restore([*self.wanted.values()]))
                self.turns(healed)
                self.successResultOf(healed)
                self.assertExact((name, number))

    def test_refusedBeforeHealing(self) -> None:
        """A healing that waits for a reload that fails puts the earlier doors in place."""
        failures: list[object] = []
        for number in count():
            self.begin()
            left = [number]

            def refuse(step: str, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] == -1:
                    raise FirewallError("no")

            self.tables.failing = refuse
            before, failed = dict(self.wanted), len(failures)
            done = self.change(SSH, WEB, BOTH).addErrback(failures.append)
            self.turn()
            # It begins as soon as the lock is free, before the caller hears of the failure.
            healed = self.watchEnd(self.firewall.restore([*before.values()]))
            healed.addErrback(lambda failure: failure.trap(FirewallError) and None)
            self.turns(done)
            self.turns(healed)
            if len(failures) > failed:
                self.wanted = before
                self.assertExact(number)
                self.assertTrue(self.judging(51820, "udp"))
                self.assertIn((51820).to_bytes(2), self.ours().sets["udp_ports"].elements)
            elif failures and left[0] >= 0:
                break
        self.assertGreater(len(failures), 3)


class LateTests(ChangingTestCase):
    """
    Openings for networks that the guard does not know yet.
    """

    NET = "198.51.100.0/24"

    def test_waits(self) -> None:
        """They wait for the end of the reload, and are opened on the new terms."""
        done = self.change(*CHANGES["shorter"])
        self.turn()
        opened = self.open(SSH, self.NET, 90.0)
        self.assertNoResult(opened)
        self.turns(done)
        self.successResultOf(opened)
        self.assertEqual({"198.51.100.0": 40.0}, self.tables.sources("tcp_open4_24"))

    def test_gone(self) -> None:
        """If the door is gone, nothing is opened."""
        done = self.change(*CHANGES["less"])
        self.turn()
        opened = self.open(WEB, self.NET)
        self.turns(done)
        self.successResultOf(opened)
        self.assertNotIn("tcp_open4_24", self.ours().sets)

    def test_cancelled(self) -> None:
        """Nor if nobody wants it any more."""
        done = self.change(*CHANGES["more"])
        self.turn()
        opened = self.open(SSH, self.NET)
        opened.cancel()
        self.wanted.popitem()
        self.failureResultOf(opened)
        self.turns(done)
        self.assertNotIn("tcp_open4_24", self.ours().sets)

    def test_failed(self) -> None:
        """If the reload fails, so do they, and the caller tries again."""
        done = self.change(*CHANGES["more"])
        self.turn()
        opened = self.open(SSH, self.NET)

        def refuse(step: str) -> None:
            raise FirewallError("no")

        self.tables.failing = refuse
        self.turns(done)
        self.failureResultOf(done, FirewallError)
        self.failureResultOf(opened, FirewallError)


class SessionTests(ChangingTestCase):
    """
    Connections, while a port becomes protected.
    """

    def test_begunMeanwhile(self) -> None:
        """A connection that begins during the reload is spared as long as the port is open."""
        self.sockets = [flow(port=5432)]
        done = self.change(*CHANGES["more"])
        for number in count():
            if (5432).to_bytes(2) in self.ours().sets["tcp_ports"].elements:
                break
            self.sockets.append(flow(EVE, 5432, sourcePort=number + 1))
            self.turn()
        self.assertGreater(number, 3)
        self.turns(done)
        self.assertEqual({each.key for each in self.sockets}, self.flows("spared4"))

    def test_sparedBefore(self) -> None:
        """A connection is spared before the port closes, so it does not stall."""
        self.sockets = [flow(port=5432)]
        self.tables.steps.clear()
        self.turns(self.change(*CHANGES["more"]))
        kinds = [step.split()[2] for step in self.tables.steps if step.startswith("add ")]
        self.assertLess(kinds.index("spared4"), kinds.index("tcp_ports"))

    def test_udp(self) -> None:
        """UDP sessions go on with other times, and so do those that begin during the reload."""
        old, new = "udpidle4_180000ms_43200000ms", "udpidle4_50000ms_43200000ms"
        keys = [flow(port=51820, protocol="udp", sourcePort=number).key for number in range(2)]
        self.tables.put(old, keys[0], 100.0)
        done = self.change(*CHANGES["times"])
        self.turn()
        self.tables.put(old, keys[1], 100.0)
        self.turns(done)
        self.assertEqual(dict.fromkeys(keys, 50.0), self.tables.flows(new))

    def test_cut(self) -> None:
        """Sessions that a door cuts now end; others go on."""
        self.tables.put("sessions4", flow(port=22).key, 60.0)
        self.tables.put("sessions4", flow(port=443).key, 60.0)
        self.turns(self.change(replace(SSH, cutSessions=True), WEB, VPN))
        self.assertEqual({flow(port=443).key}, self.flows("sessions4"))


class EndTests(ChangingTestCase):
    """
    The end of the daemon, and other work, in the midst of a reload.
    """

    def test_stop(self) -> None:
        """The daemon lets go when the reload is complete."""
        done = self.change(*CHANGES["more"])
        self.turn()
        stopped = self.firewall.stop()
        self.assertNoResult(stopped)
        self.turns(done)
        self.successResultOf(stopped)
        self.assertIn((5432).to_bytes(2), self.ours().sets["tcp_ports"].elements)

    def test_again(self) -> None:
        """A reload that comes meanwhile waits, and clears up first."""
        first = self.change(*CHANGES["once"])
        self.turn()
        second = self.change(SSH, WEB, VPN)
        self.turns(first)
        self.turns(second)
        self.assertExact("again")
        self.assertNotIn("ssh_once4", self.ours().sets)

    def test_flushedBefore(self) -> None:
        """If the guard is gone, it comes back at once, before all else."""
        session = flow("10.0.0.1", 443).key
        self.tables.put("sessions4", session, 1000.0)
        self.successResultOf(self.firewall.close(self.wanted["ssh", readSource("10.0.0.3")]))
        del self.wanted["ssh", readSource("10.0.0.3")]
        self.flush()
        done = self.change(*CHANGES["more"])
        self.assertTrue(self.ours().guards())
        self.turns(done)
        self.assertExact("flushed")
        self.assertEqual({session}, self.flows("sessions4"))

    def test_healing(self) -> None:
        """A healing that waits for the reload is for the new doors only if they are in place."""
        done = self.change(*CHANGES["less"])
        self.turn()
        healed = self.watchEnd(self.firewall.restore(Each(lambda: iter([*self.wanted.values()]))))
        self.turns(done)
        self.turns(healed)
        self.assertIs(STARTED[0], self.firewall._current.guard.doors[0])


class CountedSet(set[int]):
    """
    A set that counts what is copied out of it.

    @cvar copied: the number of elements.
    """

    copied = 0

    def __or__(self, other: Any) -> Any:
        """See L{set}."""
        CountedSet.copied += len(self) + len(other)
        return super().__or__(other)


class NoTable:
    """A table in no kernel."""

    def addSets(self, *_: object) -> bool:
        """Do nothing."""
        return False

    addMany = remove = removeUnused = addSets


class GrowthTests(SynchronousTestCase):
    """
    The work for very many openings. For 65,000 it took 34 seconds once: all were copied for each.
    """

    def makeWork(self, count_: int) -> Callable[[], object]:
        """Return the work for so many openings, some of which come meanwhile."""
        first = IPv4Address("10.0.0.1")
        table = OpeningTable(Opening(SSH, first + number, 100.0) for number in range(count_))
        wanted = [replace(each, door=LONGER) for each in table]
        before, guard = Guard((SSH,)), Guard((LONGER,))
        change = GuardChange(cast(Any, NoTable()), lambda: table, before, guard, 0.0)
        for number in range(count_ // 10):
            change.note(Opening(SSH, first - number, 100.0))

        def work() -> None:
            for steps in (change.prepare(wanted), change.tidy(), change.settle()):
                for _ in steps:
                    pass

        return work

    def test_calls(self) -> None:
        """Twice as many openings take twice as many calls."""
        self.assertLess(measureGrowth(self.makeWork, 300, 4), 1.2)

    def test_copies(self) -> None:
        """They are not copied for each opening."""
        self.patch(CountedSet, "copied", 0)
        setattr(guardchange, "set", CountedSet)  # noqa: B010
        self.addCleanup(delattr, guardchange, "set")
        self.makeWork(1000)()
        self.assertLess(CountedSet.copied, 5000)
