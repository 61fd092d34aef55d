"""What an operator can do with a running daemon, whatever carries the requests."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IReactorTime

from pkdoors import __version__
from pkdoors.daemon.rates import Rates
from pkdoors.daemon.reload import Reloader
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.openings.state import OpeningStatus, Snapshot, formatCursor
from pkdoors.events.counters import Counters
from pkdoors.events.history import EventHistory
from pkdoors.events.publisher import EventPublisher, Follower
from pkdoors.firewall.stack import FirewallStack
from pkdoors.util.turns import Turns, forget

if TYPE_CHECKING:  # records are loaded when somebody asks, which most daemons never see
    from pkdoors.admin.rates import RatesRecord
    from pkdoors.admin.records import (
        ClosedRecord,
        ClosingRecord,
        OpenedRecord,
        OpeningsRecord,
        ReloadedRecord,
        StatusRecord,
    )
    from pkdoors.doorkeeper.control import DoorControl

SLICE = 500
"""Openings that are looked at in one turn."""


class AdminOperations(Protocol):
    """
    The daemon, for its operator. An operation that fails raises a L{pkdoors.errors.PkdoorsError},
    and has changed nothing; only an opening that a firewall refuses is tried again until its time
    is over.

    @ivar history: the latest events.
    """

    counters: Counters
    history: EventHistory

    def state(self) -> Snapshot:
        """Return the doorkeeper's state."""

    async def status(self, **selection: Any) -> "StatusRecord":
        """
        Return all that an operator may want to know at a glance.

        @param selection: the openings to show, see C{DoorControl.select}.
        """

    async def openings(self, **selection: Any) -> "OpeningsRecord":
        """Return openings, likewise."""

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> "OpenedRecord":
        """
        Open a door for an address or a network.

        @param door: its name; empty if there is only one.
        @param seconds: 0 for the door's own time.
        """

    async def close(
        self, door: str = "", source: str = "", limit: int | None = None
    ) -> "ClosedRecord":
        """
        Close the openings of a door, for a source, or (if both are empty) all of them.

        @param limit: how many of them the answer names; L{None} for all.
        """

    async def reload(self) -> "ReloadedRecord":
        """Read the configuration again, and apply it."""

    async def rates(self) -> "RatesRecord":
        """Return what was heard and dropped in the last quarter of an hour."""

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Pass each event to a follower from now on; return a function that ends that."""


class Operations:
    """
    The operations on a daemon in this process.

    @param stack: the firewalls.
    @param rates: has the counts of the last quarter of an hour.
    @param troubles: returns what keeps the daemon from doing all that it should, a sentence each.
    @param listen: how knocks are heard.
    """

    def __init__(
        self,
        clock: IReactorTime,
        keeper: Doorkeeper,
        reloader: Reloader,
        publisher: EventPublisher,
        counters: Counters,
        stack: FirewallStack,
        rates: Rates,
        troubles: Callable[[], list[str]] = list,
        listen: str = "",
    ) -> None:
        self._clock = clock
        self._began = clock.seconds()
        self._keeper = keeper
        self._reloader = reloader
        self._publisher = publisher
        self._stack = stack
        self._rates = rates
        self._troubles = troubles
        self._listen = listen
        self.counters = counters
        self.state = keeper.state
        self.history = publisher.history
        self.follow = publisher.follow

    async def status(self, **selection: Any) -> "StatusRecord":
        """See L{AdminOperations.status}."""
        from pkdoors.admin._recording import recordCounters, recordDoors, recordOpenings
        from pkdoors.admin.records import StatusRecord

        await self._reloader.review()
        page = await self._control().select(**selection)
        state = self.state()
        return StatusRecord(
            version=__version__.public(),
            uptime=round(state.seconds - self._began, 3),
            firewall=self._stack.name,
            troubles=self._troubles(),
            doors=recordDoors(state),
            openings=recordOpenings(page, state),
            counters=recordCounters(self.counters),
            listen=self._listen,
            total=page.total,
            next=formatCursor(page.next),
            pending=self._reloader.pending,
        )

    async def openings(self, **selection: Any) -> "OpeningsRecord":
        """See L{AdminOperations.openings}."""
        from pkdoors.admin._recording import recordOpenings
        from pkdoors.admin.records import OpeningsRecord

        page = await self._control().select(**selection)
        openings = recordOpenings(page, self.state())
        return OpeningsRecord(openings, page.total, formatCursor(page.next))

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> "OpenedRecord":
        """See L{AdminOperations.open}."""
        from pkdoors.admin._recording import recordOpening
        from pkdoors.admin.records import OpenedRecord

        status = await self._control().open(source, door, seconds)
        now, time = self._clock.seconds(), self._publisher.wallClock()
        return OpenedRecord(recordOpening(status, now, time))

    async def close(
        self, door: str = "", source: str = "", limit: int | None = None
    ) -> "ClosedRecord":
        """See L{AdminOperations.close}."""
        from pkdoors.admin._recording import recordClosing, recordOpening
        from pkdoors.admin.records import ClosedRecord, LazyRecords

        done = await self._control().close(door, source)
        record = partial(recordOpening, seconds=done.state.seconds, time=done.state.time)
        following, refused = await self._sortClosing(done.closing)
        counts = {
            "closed": len(done.closed),
            "following": len(following),
            "refused": len(refused),
        }

        def recordLeft(status: OpeningStatus) -> "ClosingRecord":
            return recordClosing(record(status), *self._describeClosing(status))

        closed = LazyRecords(record, done.closed[:limit])
        closing = LazyRecords(recordLeft, [*refused, *following][:limit])
        turns = Turns(self._clock, 1)
        for rest in (done.closed, done.closing, following, refused):
            await forget(turns, rest)
        return ClosedRecord(closed, closing, done.others, counts)

    async def _sortClosing(
        self, closing: Sequence[OpeningStatus]
    ) -> tuple[list[OpeningStatus], list[OpeningStatus]]:
        """Return the openings that need nothing but time to close, and the others."""
        following: list[OpeningStatus] = []
        refused: list[OpeningStatus] = []
        turns = Turns(self._clock, 1)
        for number, status in enumerate(closing, 1):
            if number % SLICE == 0:
                await turns.next()
            trouble, isShut = self._describeClosing(status)
            (following if isShut and not trouble else refused).append(status)
        return following, refused

    def _describeClosing(self, status: OpeningStatus) -> tuple[str, bool]:
        """Return what a firewall refuses, and whether the guard has closed the opening."""
        key = status.opening.key
        now = self._keeper.status(*key)
        trouble = now.trouble if now is not None else ""
        return trouble, self._stack.isInnermostClosed(*key)

    def _control(self) -> "DoorControl":
        from pkdoors.doorkeeper.control import DoorControl

        return DoorControl(self._clock, self._keeper)

    async def reload(self) -> "ReloadedRecord":
        """See L{AdminOperations.reload}."""
        from pkdoors.admin.records import ReloadedRecord

        done = await self._reloader.reload()
        return ReloadedRecord(done.changes, done.troubles)

    async def rates(self) -> "RatesRecord":
        """See L{AdminOperations.rates}."""
        from pkdoors.admin.rates import recordRates

        now, time = self._clock.seconds(), self._publisher.wallClock()
        return recordRates(self._rates.steps(), now, time)
