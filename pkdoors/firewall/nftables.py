"""
The kernel's own firewall: what closes the doors, and ends the openings.

The table belongs to this process where kernel and nft can do that: then nobody else's flush touches
it. Elsewhere it is watched, and healed.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.doors import Door, Opening, protectedPorts
from pkdoors.errors import FirewallError
from pkdoors.firewall.guardtable import GuardTable, openTable
from pkdoors.firewall.kernel import GuardGone
from pkdoors.firewall.liveflows import LiveFlows, upFor
from pkdoors.firewall.takeover import Left
from pkdoors.firewall.watch import Watch
from pkdoors.flowbooks import FlowBooks
from pkdoors.guard import HANDOVER, TABLE, Guard
from pkdoors.interfaces import IFirewall
from pkdoors.nftsets import setOf
from pkdoors.ports import PortRange

SETTLED = 300.0
"""Seconds after the boot from which there may be flows that began before the guard. Earlier there
are none worth sparing, and a port that stays open for a while would be open after each boot."""

TRIES = 5
"""How often it is begun again to put the guard in place, if others take it away meanwhile."""

MARGIN = 1.0
"""Seconds before its end for which an opening may be missing in the kernel already."""

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
        makeWatch: Callable[..., Watch] = Watch,
        look: Callable[[], LiveFlows] = LiveFlows,
        upFor: Callable[[], float] = upFor,
    ) -> None:
        self._reactor = reactor
        self._makeTable = makeTable
        self._makeWatch = makeWatch
        self._look = look
        self._upFor = upFor
        self._table: GuardTable
        self._watch: Watch
        self._guard = Guard(())
        self._flows = FlowBooks(reactor.seconds)
        self._noting: IDelayedCall | None = None
        self._open: dict[tuple[str, bytes], float] = {}  # what the kernel has, until when
        self._placed: object = None  # by which a stranger's change is seen
        self._counts: Mapping[str, int] = {}
        self._dropped = 0

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
        self._guard, self._lost = Guard(doors), lost
        isSettled = self._upFor() >= SETTLED
        left = table.before(doors, isSettled)
        self._warn(left)
        live = self._spare(left)
        if isSettled and not left.isThere and live.untracked:
            versions = tuple(live.untracked)
            self._guard = replace(self._guard, grace=self._grace(), graceVersions=versions)
        self._watch = self._makeWatch(TABLE, table.port, self._changed, self._unsure)
        self._put(left.openings)
        self._watch.start(self._reactor)
        return left.openings

    def keep(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}. Who is connected to a port that becomes protected is spared."""
        before = Left(protected=protectedPorts(self._guard.doors))
        guard, self._guard = (
            self._guard,
            replace(self._guard, doors=doors, grace={}, graceVersions=()),
        )
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
            counts = self._table.counted()
            # A counter that is less than it was was made again.
            news = {name: count - self._counts.get(name, 0) for name, count in counts.items()}
            self._dropped += sum(new if new >= 0 else counts[name] for name, new in news.items())
            self._counts = counts
        return self._dropped

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}. The guard stays, and the kernel ends the openings."""
        self._watch.stop(self._reactor)
        if self._noting is not None and self._noting.active():
            self._noting.cancel()
        self._table.close()
        self._log.info("the guard stays in the kernel: `pkdoors release` would remove it")
        return succeed(None)

    def _restore(self, openings: list[Opening]) -> None:
        if not self._table.isThere():  # with it went what it remembered
            self._flows.addLetIn(openings, self._look().ofPorts)
        self._put(openings)

    def _put(self, openings: list[Opening]) -> None:
        self.dropped()  # new counters begin at 0
        for left in reversed(range(TRIES)):
            try:
                self._table.replace(self._guard, openings, self._flows.left())
                break
            except GuardGone:  # somebody flushed nftables in the midst of it
                if not left:
                    raise
        if self._table.isOwned:  # the kernel remembers
            self._flows.note({})
        self._note()
        self._open = {(setOf(each), each.source.packed): each.deadline for each in openings}
        self._placed = self._table.fingerprint()

    def _openNow(self, opening: Opening) -> None:
        self._table.add(opening)
        self._open[setOf(opening), opening.source.packed] = opening.deadline

    def _closeNow(self, opening: Opening) -> None:
        self._open.pop((setOf(opening), opening.source.packed), None)
        self._table.remove(opening)
        # Flows begin only while there is an opening: after its end it is time to note them.
        if self._noting is None or not self._noting.active():
            self._note()
            self._noting = self._reactor.callLater(NOTE_AFTER, self._note)

    def _note(self) -> None:
        """Note what goes on: whoever flushes nftables takes the kernel's memory of it away."""
        if self._table.isOwned:
            return
        with suppress(FirewallError):  # there may be no guard now: what was noted is still right
            if self._table.isThere():
                self._flows.note(self._table.flows(self._guard.doors))

    def _changed(self, name: str) -> None:
        self._lost(f"{name} changed the guard")

    def _unsure(self) -> None:
        """So many changes were made that not all could be told: look once whether one was ours."""
        now = self._reactor.seconds()
        try:
            there = self._table.openKeys(self._guard.doors)
            ours = {key for key, deadline in self._open.items() if deadline - now > MARGIN}
            isSame = self._table.fingerprint() == self._placed and ours <= there <= {*self._open}
        except FirewallError:
            isSame = False
        if not isSame:
            self._changed("somebody")

    def _spare(self, left: Left) -> LiveFlows:
        """Spare who is connected already: to a port that was not protected before, say."""
        live, doors = self._look(), self._guard.doors
        found = live.ofPorts(protectedPorts(doors))
        self._flows.addSpared(flow for flow in found if left.isSpared(flow, doors))
        return live

    def _grace(self) -> dict[PortRange, float]:
        """
        Return the UDP ports that stay open for a while, and for how many seconds. UDP has no
        connections, so nobody knows who is in the midst of something, but connection tracking.
        """
        doors = [door for door in self._guard.doors if door.udpGrace]
        udp = {
            each: min(door.udpGrace for door in doors if each in door.ports)
            for door in doors
            for each in door.ports
            if each.protocol == "udp"
        }
        if udp:
            self._log.info(
                "{ports}: protected for the first time, and nobody knows who uses it: it stays "
                "open for {seconds:g} s, so that whoever does is not cut",
                ports=", ".join(map(str, udp)),
                seconds=max(udp.values()),
            )
        return udp

    def _warn(self, left: Left) -> None:
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
        return table.guards(doors)
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
