"""Remembers which connections must go on if the guard has to be put in place again."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import chain
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books, FlowBooks, findLetIn
from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.netlink.flows import Flow, Tracked, isOn
from pkdoors.firewall.nftables._liveflows import LiveFlows
from pkdoors.firewall.nftables._takeover import Predecessor
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.firewall.openings.table import OpeningTable
from pkdoors.host.descriptors import Spare
from pkdoors.model.doors import Door, Opening, listProtectedPorts
from pkdoors.model.ports import PortRange
from pkdoors.util.turns import Beside, atOnce

T = TypeVar("T")

SHARE = 9.0
"""After noting flows, the daemon pauses for at least this many times the time that it took."""

NOTE_AFTER = 1.0
"""Seconds from a closing until the flows that go on are noted again: many closings at a time cost
two notings."""

MOST_LOST = 10
"""Guards that are remembered because they were gone before their sessions were found. Somebody who
flushes in a loop gets no more: the first ones have let in almost everybody."""


class SessionKeeper:
    """
    Keeps a copy of the flows that the guard has let in or spared. The kernel remembers them in sets
    of the guard's table, which somebody else's flush takes away unless we own the table.

    @param look: finds the connections that exist.
    @param doors: returns the doors of the guard.
    @param openings: returns its openings.
    @param beside: looks for very many connections beside the reactor.
    @param afterwards: makes a call in the reactor when work on the guard is over.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        look: Callable[[], LiveFlows],
        doors: Callable[[], Collection[Door]],
        openings: Callable[[], OpeningTable],
        beside: Beside = atOnce,
        afterwards: Callable[[Callable[[], object]], object] = lambda call: call(),
    ) -> None:
        self._clock = clock
        self._beside = beside
        self._afterwards = afterwards
        self._look = look
        self._doors = doors
        self._openings = openings
        self._flows = FlowBooks(clock.seconds)
        self._table: GuardTable
        self._descriptors: Spare
        self._noting: IDelayedCall | None = None
        self._lost: list[Iterable[Opening]] = []  # what guards had let in that are gone
        self._isIncomplete = False  # whether the kernel does not remember all sessions yet
        self._isBusy = False  # noting the flows
        self._isStale = False  # whether they must be noted again then
        self._took = 0.0  # seconds, for noting the flows
        self._isBlind = False  # and the log says so

    def start(self, table: GuardTable) -> None:
        """Begin to keep the flows of a table."""
        self._table = table
        self._descriptors = Spare()

    def stop(self) -> None:
        """End it."""
        if self._noting is not None and self._noting.active():
            self._noting.cancel()
        self._descriptors.close()

    @property
    def isIncomplete(self) -> bool:
        """Whether the kernel does not remember all sessions, because the guard was gone."""
        return self._isIncomplete

    def living(self) -> Books:
        """Return the flows whose time is not over."""
        return self._flows.living()

    def spare(self, guard: Guard, predecessor: Predecessor) -> tuple[LiveFlows, set[Flow]]:
        """
        Spare the clients that are connected already, for example to a port that was not protected
        before.

        @return: the connections that exist, and the flows of those that are spared.
        @raise FirewallError: they cannot be read.
        """
        live = self._look()
        spared = _findSpared(live, guard, predecessor)
        self._flows.addSpared(spared)
        return live, spared

    async def findSpared(self, guard: Guard, predecessor: Predecessor) -> set[Flow]:
        """
        Return the connections that L{spare} spares. Nothing is noted.

        @raise FirewallError: they cannot be read.
        """
        return await self._lookBeside(lambda: _findSpared(self._look(), guard, predecessor))

    def addSpared(self, flows: Collection[Flow]) -> Books:
        """Note that flows are spared. Return their elements."""
        self._flows.addSpared(flows)
        found = FlowBooks(self._clock.seconds)
        found.addSpared(flows)
        return found.living()

    def noteLost(self, openings: OpeningTable) -> None:
        """
        Hear that the guard is gone, and with it what the kernel remembered. Our copy stays as it is
        until L{noteReplaced}.

        @param openings: the openings of that guard. The caller may change them after this work.
        """
        self._isIncomplete = True
        if openings not in self._lost and len(self._lost) < MOST_LOST:
            self._lost.append(openings)
            # A copy of very many takes long, and until the guard is back everybody gets in.
            self._afterwards(partial(self._keep, openings))

    def _keep(self, openings: OpeningTable) -> None:
        """Copy the openings of a guard that is gone, if their table is still in use."""
        if openings is self._openings():
            self._lost = [[*each] if each is openings else each for each in self._lost]

    async def spareLetIn(self, guard: Guard) -> None:
        """
        Note the connections of clients whom the guards that are gone have let in.

        If they cannot be found, for example because no descriptor is left, only a session that
        stays idle until its door closes is cut.
        """
        lost, self._lost = self._lost, []

        def find() -> list[tuple[Door, Flow]]:
            return _findLetIn(chain.from_iterable(lost), guard, self._look())

        try:
            found = await self._lookBeside(find)
        except FirewallError as error:
            if not self._isBlind:
                self._isBlind = True
                self._log.warn(
                    "{error}: the guard is put back all the same, but sessions that are idle until "
                    "their door closes will be cut then",
                    error=error,
                )
            return
        self._isBlind = False
        self._flows.addLetIn(found)

    async def _lookBeside(self, look: Callable[[], T]) -> T:
        """Look beside the reactor: very many connections take seconds."""
        try:
            return await self._beside(look)
        except FirewallError:  # perhaps no descriptor is left
            with self._descriptors.lend():  # nothing else runs in between, and could take them
                return look()

    def noteReplaced(self) -> None:
        """Note the flows after the guard, and all that belongs to it, was put in place."""
        self._isIncomplete = False
        if self._table.isOwned:  # the kernel keeps what it has: our copy is of no use any more
            self._flows.note({})
        self._afterwards(self._noteNow)

    def noteSoon(self) -> None:
        """Note the flows after a closing: they begin only while a door is open."""
        if self._noting is None or not self._noting.active():
            self._noteNow()
            pause = max(NOTE_AFTER, SHARE * self._took)
            self._noting = self._clock.callLater(pause, self._noteNow)

    def _noteNow(self) -> None:
        if self._isBusy:
            self._isStale = True
        elif not self._table.isOwned:
            self._isBusy = True
            Deferred.fromCoroutine(self._note()).addErrback(
                lambda failure: self._log.failure("noting sessions went wrong", failure)
            )

    async def _note(self) -> None:
        """Note the flows; very many take long, so they are read beside the reactor."""
        self._isStale, doors, began = False, self._doors(), self._clock.seconds()
        try:
            flows = await self._beside(lambda: self._listFlows(doors))
        except FirewallError:
            flows = None
        finally:
            self._isBusy = False
        self._took = self._clock.seconds() - began
        if self._isStale:
            self._noteNow()
        # If the table has just been flushed, the earlier notes are still right.
        elif flows is not None and not self._isIncomplete:
            self._flows.note(flows)

    def _listFlows(self, doors: Collection[Door]) -> Books:
        with self._table.beside() as reader:
            return reader.listFlows(doors)


def _findLetIn(
    openings: Iterable[Opening], guard: Guard, live: LiveFlows
) -> list[tuple[Door, Flow]]:
    """Return the live flows that a guard has let in."""
    near = live.ofPorts(listProtectedPorts(guard.doors))
    forwarded = live.ofWays(guard.direct)

    def flowsTo(ports: tuple[PortRange, ...]) -> set[Tracked]:
        ways = [way for way in guard.direct if isOn(ports, way.protocol, way.wanted)]
        found = live.ofWays(ways) if forwarded and ways else set()
        return found | {
            tracked
            for tracked in near
            if any(isOn(ports, tracked.flow.protocol, port) for port in tracked.ports)
        }

    return findLetIn(openings, flowsTo, guard.doors) if near or forwarded else []


def _findSpared(live: LiveFlows, guard: Guard, predecessor: Predecessor) -> set[Flow]:
    doors = guard.doors
    tracked = live.ofPorts(listProtectedPorts(doors))
    new = (way for way in guard.direct if predecessor.isNew(way.protocol, way.wanted))
    spared = {flow.flow for flow in tracked if predecessor.isSpared(flow, doors)}
    return spared | {flow.flow for flow in live.ofWays(new)}
