"""Remembers which connections must go on if the guard has to be put in place again."""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books, FlowBooks
from pkdoors.firewall.guard.guard import DirectWay, Guard
from pkdoors.firewall.netlink.flows import Tracked, isOn
from pkdoors.firewall.nftables._liveflows import LiveFlows
from pkdoors.firewall.nftables._takeover import Predecessor
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host.descriptors import Spare
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, Opening, listProtectedPorts
from pkdoors.model.ports import PortRange

SHARE = 9.0
"""After noting flows, the daemon pauses for at least this many times the time that it took."""

NOTE_AFTER = 1.0
"""Seconds from a closing until the flows that go on are noted again: many closings at a time cost
two notings."""


class SessionKeeper:
    """
    Keeps a copy of the flows that the guard has let in or spared. The kernel remembers them in sets
    of the guard's table, which somebody else's flush takes away unless we own the table.

    @param look: finds the connections that exist.
    @param doors: returns the doors of the guard.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        look: Callable[[], LiveFlows],
        doors: Callable[[], Collection[Door]],
    ) -> None:
        self._clock = clock
        self._look = look
        self._doors = doors
        self._flows = FlowBooks(clock.seconds)
        self._table: GuardTable
        self._descriptors: Spare
        self._noting: IDelayedCall | None = None
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

    def living(self) -> Books:
        """Return the flows whose time is not over."""
        return self._flows.living()

    def spare(self, guard: Guard, predecessor: Predecessor) -> LiveFlows:
        """
        Spare the clients that are connected already, for example to a port that was not protected
        before.

        @return: the connections that exist.
        @raise FirewallError: they cannot be read.
        """
        live, doors = self._look(), guard.doors
        tracked = live.ofPorts(listProtectedPorts(doors))
        self._flows.addSpared(flow.flow for flow in tracked if predecessor.isSpared(flow, doors))
        new = (way for way in guard.direct if predecessor.isNew(way.protocol, way.wanted))
        self._flows.addSpared(flow.flow for flow in live.ofWays(new))
        return live

    def listClients(self, direct: Collection[DirectWay]) -> set[Address]:
        """Return who is connected to a protected port; nobody if that cannot be found out."""
        with suppress(FirewallError), self._descriptors.lend():
            live = self._look()
            tracked = live.ofPorts(listProtectedPorts(self._doors())) | live.ofWays(direct)
            return {each.flow.source for each in tracked}
        return set()

    def addLetIn(self, openings: Iterable[Opening], direct: Collection[DirectWay]) -> None:
        """
        Note the connections of clients whose door is open: the guard had let them in.

        If they cannot be found, for example because no descriptor is left, the guard does not wait
        for that: without the guard everybody gets in. Without the notes, only a session that stays
        idle until its door closes is cut.
        """
        try:
            with self._descriptors.lend():
                live = self._look()
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

        def flowsTo(ports: tuple[PortRange, ...]) -> set[Tracked]:
            ways = (way for way in direct if isOn(ports, way.protocol, way.wanted))
            return live.ofPorts(ports) | live.ofWays(ways)

        self._flows.addLetIn(openings, flowsTo, self._doors())

    def noteReplaced(self) -> None:
        """Note the flows after the guard was put in place."""
        if self._table.isOwned:  # the kernel keeps what it has: our copy is of no use any more
            self._flows.note({})
        self._note()

    def noteSoon(self) -> None:
        """Note the flows after a closing: they begin only while a door is open."""
        if self._noting is None or not self._noting.active():
            took = self._note()
            self._noting = self._clock.callLater(max(NOTE_AFTER, SHARE * took), self._note)

    def _note(self) -> float:
        """Note the flows. Return the seconds that this took."""
        if self._table.isOwned:
            return 0.0
        began = self._clock.seconds()
        with suppress(FirewallError):
            flows = self._table.listFlows(self._doors())
            # If the table has just been flushed, the earlier notes are still right.
            if self._table.isThere():
                self._flows.note(flows)
        return self._clock.seconds() - began
