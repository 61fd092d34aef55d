"""
The kernel's own firewall: what closes the doors, and ends the openings.

The table belongs to this process where kernel and nft can do that: then nobody else's flush touches
it. Elsewhere it is watched, and healed.
"""

import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import FlowBooks
from pkdoors.firewall.guard.flows import Tracked, isOn
from pkdoors.firewall.guard.guard import HANDOVER, TABLE, Guard
from pkdoors.firewall.guard.portgroups import portGroups
from pkdoors.firewall.guard.sets import setName
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.netlink.kernel import GuardGone
from pkdoors.firewall.nftables._liveflows import LiveFlows, readUptime
from pkdoors.firewall.nftables._monitor import NftablesMonitor
from pkdoors.firewall.nftables._takeover import Predecessor
from pkdoors.firewall.nftables.table import GuardTable, openTable
from pkdoors.firewall.ways.ways import Throttle, WaysFinder
from pkdoors.host.descriptors import Spare
from pkdoors.model.doors import Door, Opening, protectedPorts
from pkdoors.model.ports import PortRange

SETTLED = 300.0
"""Seconds after the boot from which there may be flows that began before the guard. Earlier there
are none worth sparing, and a port that stays open for a while would be open after each boot."""

TRIES = 5
"""How often it is begun again to put the guard in place, if others take it away meanwhile."""

MARGIN = 1.0
"""Seconds before its end for which an opening may be missing in the kernel already."""

SHARE = 9.0
"""A look at what goes on is followed by a pause of so many times its own time at least."""

NOTE_AFTER = 1.0
"""Seconds after a closing until the flows that go on are noted again: of many closings there are
two looks."""


@implementer(IFirewall)
class NftablesFirewall:
    """
    @param reactor: its clock, and where the watch for others' changes is read.
    @param look: finds the connections that exist.
    @param upFor: gives the seconds since the boot.
    """

    _log = Logger()
    name = "nftables"

    def __init__(
        self,
        reactor: Any,
        makeTable: Callable[[Callable[[], float]], GuardTable] = openTable,
        makeMonitor: Callable[..., NftablesMonitor] = NftablesMonitor,
        look: Callable[[], LiveFlows] = LiveFlows,
        readUptime: Callable[[], float] = readUptime,
    ) -> None:
        self._reactor = reactor
        self._makeTable = makeTable
        self._makeWatch = makeMonitor
        self._look = look
        self._upFor = readUptime
        self._table: GuardTable
        self._descriptors: Spare
        self._watch: NftablesMonitor
        self._guard = Guard(())
        self._flows = FlowBooks(reactor.seconds)
        self._noting: IDelayedCall | None = None
        self._ways: WaysFinder
        self._throttle = Throttle(reactor, self._lookForWays)
        self._open: dict[tuple[str, bytes], float] = {}  # what the kernel has, until when
        self._protected: Collection[PortRange] = ()  # what the kernel keeps closed
        self._placed: object = None  # by which a stranger's change is seen
        self._counts: Mapping[str, int] = {}
        self._dropped = 0
        self._isBlind = False  # and the log says so

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}. The kernel is asked to judge the guard, without taking it."""
        table = self._makeTable(self._reactor.seconds)
        try:
            table.judge(Guard(doors))
        finally:
            table.close()

    def start(self, doors: tuple[Door, ...], lost: Callable[[str], None]) -> list[Opening]:
        """See L{IFirewall.start}."""
        self._table = table = self._makeTable(self._reactor.seconds)
        self._descriptors = Spare()
        self._lost = lost
        # Before the first look: nothing that changes after it is missed.
        self._watch = self._makeWatch(
            TABLE, table.port, self._changed, self._unsure, self._throttle.want
        )
        self._ways = WaysFinder(table.readForwards, self._watch.attend)
        self._guard = self._withWays(Guard(doors))
        isSettled = self._upFor() >= SETTLED
        left = table.readPredecessor(doors, isSettled)
        self._warn(left)
        live = self._spare(left)
        if isSettled and not left.isThere and live.untracked:
            versions = tuple(live.untracked)
            self._guard = replace(self._guard, grace=self._grace(), graceVersions=versions)
        self._put(left.openings)
        # Only once: no flush opens these ports again.
        self._guard = replace(self._guard, grace={}, graceVersions=())
        self._ways.tell((), self._guard.direct)
        self._watch.start(self._reactor)
        if self._ways.isFailing:
            self._throttle.want()
        return left.openings

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}. Who is connected to a port that becomes protected is spared."""
        # Not those of the last call: the kernel may have refused them.
        before = Predecessor(protected=self._protected)
        guard = self._guard
        self._guard = self._withWays(replace(guard, doors=doors))
        if protectedPorts(doors) == self._protected:
            return  # nobody new is to be spared, and a look takes long if very much is tracked
        try:
            self._spare(before)
        except FirewallError:
            self._guard = guard
            raise

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        return execute(self._restore, list(openings))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        return execute(self._openNow, opening)

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return execute(self._closeNow, opening)

    def dropped(self) -> int:
        """See L{IFirewall.dropped}."""
        if self._placed is not None:
            counts = self._table.readCounts()
            # A counter that is less than it was was made again.
            news = {name: count - self._counts.get(name, 0) for name, count in counts.items()}
            self._dropped += sum(new if new >= 0 else counts[name] for name, new in news.items())
            self._counts = counts
        return self._dropped

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}. The guard stays, and the kernel ends the openings."""
        self._watch.stop(self._reactor)
        self._throttle.stop()
        if self._noting is not None and self._noting.active():
            self._noting.cancel()
        self._table.close()
        self._descriptors.close()
        self._log.info("the guard stays in the kernel: `pkdoors release` would remove it")
        return succeed(None)

    def _restore(self, openings: list[Opening]) -> None:
        if not self._table.isThere():  # with it went what it remembered
            self._addLetIn(openings)
        self._put(openings)
        # Whatever took the guard away may have changed these, too. The guard does not wait for it.
        self._throttle.want()

    def _addLetIn(self, openings: list[Opening]) -> None:
        """
        Note the connections that clients have whose door is open: they were let in. If they cannot
        be found, for want of a descriptor say, the guard does not wait for that: without it
        everybody gets in, and without them a session is cut that says nothing until its door
        closes.
        """
        try:
            with self._descriptors.lent():
                live = self._look()
        except FirewallError as error:
            if not self._isBlind:
                self._isBlind = True
                self._log.warn(
                    "{error}: the guard is put back all the same, and sessions that are idle until "
                    "their door closes are cut then",
                    error=error,
                )
            return
        self._isBlind = False
        direct = self._guard.direct

        def flowsTo(ports: tuple[PortRange, ...]) -> set[Tracked]:
            ways = (each for each in direct if isOn(ports, each.protocol, each.wanted))
            return live.ofPorts(ports) | live.ofWays(ways)

        self._flows.addLetIn(openings, flowsTo)

    def _put(self, openings: list[Opening]) -> None:
        self.dropped()  # new counters begin at 0
        for left in reversed(range(TRIES)):
            try:
                self._table.replace(self._guard, openings, self._flows.left())
                break
            except GuardGone:  # somebody flushed nftables in the midst of it
                if not left:
                    raise
                self._addLetIn(openings)
        self._protected = protectedPorts(self._guard.doors)
        if self._table.isOwned:  # the kernel remembers
            self._flows.note({})
        self._note()
        self._open = {(setName(each), each.source.packed): each.deadline for each in openings}
        self._placed = self._table.readFingerprint()

    def _withWays(self, guard: Guard) -> Guard:
        """Return a guard with the ways that lead past its ports now, as far as they can be read."""
        direct = self._ways.find(protectedPorts(guard.doors), before=guard.direct)
        return replace(guard, direct=direct)

    def _lookForWays(self) -> Generator[None, None, bool]:
        """
        Guard the ways that lead past the protected ports now.

        @return: whether it failed.
        """
        before = self._guard
        direct = yield from self._ways.look(protectedPorts(before.doors), before.direct)
        if before.doors is not self._guard.doors:
            return True  # a reload has changed the doors meanwhile
        if direct != self._guard.direct:
            self._guard = guard = replace(self._guard, direct=direct)
            try:
                self._table.replaceWays(guard)
                self._placed = self._table.readFingerprint()
            except GuardGone:
                pass  # it is put back with these ways
            except FirewallError as error:
                self._lost(f"the ways to containers cannot be guarded ({error})")
            else:
                self._ways.tell(before.direct, direct)
        return self._ways.isFailing

    def _openNow(self, opening: Opening) -> None:
        self._table.add(opening)
        self._open[setName(opening), opening.source.packed] = opening.deadline

    def _closeNow(self, opening: Opening) -> None:
        self._open.pop((setName(opening), opening.source.packed), None)
        self._table.remove(opening)
        # Flows begin only while there is an opening: after its end it is time to note them.
        if self._noting is None or not self._noting.active():
            took = self._note()
            self._noting = self._reactor.callLater(max(NOTE_AFTER, SHARE * took), self._note)

    def _note(self) -> float:
        """
        Note what goes on: whoever flushes nftables takes the kernel's memory of it away.

        @return: the seconds that it took.
        """
        if self._table.isOwned:
            return 0.0
        began = self._reactor.seconds()
        with suppress(FirewallError):
            flows = self._table.flows(self._guard.doors)
            if self._table.isThere():  # or it went meanwhile, and what was noted is still right
                self._flows.note(flows)
        took: float = self._reactor.seconds() - began
        return took

    def _changed(self, name: str) -> None:
        self._lost(f"{name} changed the guard")

    def _unsure(self) -> None:
        """So many changes were made that not all could be told: look once whether one was ours."""
        self._throttle.want()
        now = self._reactor.seconds()
        try:
            there = self._table.openKeys(self._guard.doors)
            ours = {key for key, deadline in self._open.items() if deadline - now > MARGIN}
            isSame = self._table.readFingerprint() == self._placed and ours <= there <= {
                *self._open
            }
        except FirewallError:
            isSame = False
        if not isSame:
            self._changed("somebody")

    def _spare(self, left: Predecessor) -> LiveFlows:
        """Spare who is connected already: to a port that was not protected before, say."""
        live, doors = self._look(), self._guard.doors
        found = live.ofPorts(protectedPorts(doors))
        self._flows.addSpared(each.flow for each in found if left.isSpared(each, doors))
        ways = (each for each in self._guard.direct if left.isNew(each.protocol, each.wanted))
        self._flows.addSpared(each.flow for each in live.ofWays(ways))
        return live

    def _grace(self) -> dict[PortRange, float]:
        """
        Return the UDP ports that stay open for a while, and for how many seconds. UDP has no
        connections, so nobody knows who is in the midst of something, but connection tracking.
        """
        groups = portGroups(self._guard.doors, "udp")
        graces = [(group.ports, min(door.udpGrace for door in group.doors)) for group in groups]
        udp = {each: grace for ports, grace in graces for each in ports if grace}
        if udp:
            self._log.info(
                "{ports}: protected for the first time, and nobody knows who uses it: it stays "
                "open for {seconds:g} s, so that whoever does is not cut",
                ports=", ".join(map(str, udp)),
                seconds=max(udp.values()),
            )
        return udp

    def _warn(self, left: Predecessor) -> None:
        if left.isStrange:
            self._log.warn(
                "the table inet {table} that was there before is not of pkdoors: replaced",
                table=TABLE,
            )
        now = protectedPorts(self._guard.doors)
        opened = [each for each in left.protected if not any(map(each.isWithin, now))]
        if opened:
            self._log.warn(
                "{ports}: an earlier daemon kept this closed, and this one does not protect it: "
                "from now on it is open, as far as other firewalls let it",
                ports=", ".join(map(str, opened)),
            )


def isGuarded(
    doors: Collection[Door],
    makeTable: Callable[[Callable[[], float]], GuardTable] = openTable,
) -> bool:
    """
    Return whether there is a guard that can be believed, for some doors at least: not one that was
    saved and loaded again, with what was open then, nor one of other doors, nor an empty one.

    @raise FirewallError: the kernel does not tell.
    """
    table = makeTable(time.monotonic)
    try:
        return table.isGuarding(doors)
    finally:
        table.close()


def removeGuard(makeTable: Callable[[Callable[[], float]], GuardTable] = openTable) -> list[str]:
    """
    Take our table out of the kernel.

    @return: what was removed, a line each.
    @raise FirewallError: the kernel refused.
    """
    table = makeTable(time.monotonic)
    try:
        openings = table.countOpenings()
        removed = [table.delete(name) for name in (TABLE, HANDOVER)]
    finally:
        table.close()
    count = "1 opening" if openings == 1 else f"{openings} openings"
    return [f"nftables: the table inet {TABLE}, with the guard and {count}"] if any(removed) else []
