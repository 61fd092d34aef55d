"""
What an operator does with a running daemon: see L{pkdoors.admin._interface.AdminOperations}.
"""

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from pkdoors import __version__
from pkdoors.daemon.reload import Reloader
from pkdoors.doorkeeper.admission import MAX_OPENINGS
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.state import OpeningStatus, Snapshot
from pkdoors.errors import BadValue, FirewallError, NotFound
from pkdoors.events.counters import Counters
from pkdoors.events.event import CLOSED, OPEN_FAILED, UNOPENED, Event
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.clientaddress import SHARED, canBeClient, isShared
from pkdoors.locks.lock import Request
from pkdoors.model.addresses import Address, canonical
from pkdoors.model.doors import Door
from pkdoors.model.principal import OPERATOR
from pkdoors.util.durations import formatDuration

if TYPE_CHECKING:  # records are loaded when somebody asks, which most daemons never see
    from pkdoors.admin.records import (
        ClosedRecord,
        ClosingRecord,
        OpenedRecord,
        OpeningRecord,
        OpeningsRecord,
        ReloadedRecord,
        StatusRecord,
    )

OPEN_PATIENCE = 5.0
"""Seconds that who opens waits for the firewall; the daemon itself tries until the time is over."""
CLOSE_PATIENCE = 1.5
"""Seconds that who closes waits for firewalld. The guard has closed by then in any case."""

_FRUITLESS = frozenset({OPEN_FAILED, UNOPENED, CLOSED})
"""After these it makes no sense to wait until a door is open."""


class Operations:
    """
    @param stack: the firewalls.
    @param troubles: gives what keeps the daemon from doing all that it should, a sentence each.
    """

    def __init__(
        self,
        clock: IReactorTime,
        keeper: Doorkeeper,
        reloader: Reloader,
        publisher: EventPublisher,
        counters: Counters,
        stack: FirewallStack,
        troubles: Callable[[], list[str]] = list,
    ) -> None:
        self._clock = clock
        self._began = clock.seconds()
        self._keeper = keeper
        self._reloader = reloader
        self._publisher = publisher
        self._stack = stack
        self._troubles = troubles
        self.counters = counters
        self.state = keeper.state
        self.subscribe = publisher.subscribe

    def status(self) -> "StatusRecord":
        """See L{AdminOperations.status}."""
        from pkdoors.admin._recording import recordCounters, recordDoors, recordOpenings
        from pkdoors.admin.records import StatusRecord

        state = self.state()
        return StatusRecord(
            version=__version__.public(),
            uptime=round(state.seconds - self._began, 3),
            firewall=self._stack.name,
            troubles=self._troubles(),
            doors=recordDoors(state),
            openings=recordOpenings(state),
            counters=recordCounters(self.counters),
        )

    def openings(self, door: str = "", source: str = "") -> "OpeningsRecord":
        """See L{AdminOperations.openings}."""
        from pkdoors.admin._recording import recordOpenings
        from pkdoors.admin.records import OpeningsRecord

        return OpeningsRecord(recordOpenings(self._select(door, source), door))

    def _select(self, door: str, source: str) -> Snapshot:
        """
        Return the state; with a source, only with the openings for that, which are looked up by
        their key: there may be thousands of others.

        @raise NotFound: there is no such door.
        """
        doors = self._checkDoor(door)
        if not source:
            return self.state()
        address = _parseAddress(source)
        found = (self._keeper.standing(known.name, address) for known in doors)
        openings = tuple(status for status in found if status is not None)
        return Snapshot(self._clock.seconds(), self._publisher.wallClock(), doors, openings, {})

    def _checkDoor(self, name: str) -> tuple[Door, ...]:
        """
        Return all doors.

        @raise NotFound: none has this name, which is not empty.
        """
        names = [door.name for door in self._keeper.doors]
        if name and name not in names:
            raise NotFound(f"there is no door {name!r}: its doors are {', '.join(names)}")
        return self._keeper.doors

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> "OpenedRecord":
        """See L{AdminOperations.open}."""
        from pkdoors.admin._recording import recordOpening
        from pkdoors.admin.records import OpenedRecord

        chosen, address = self._door(door), _parseAddress(source)
        if not canBeClient(address):
            raise BadValue(f"nobody comes from {address}: give the address of one client")
        if isShared(address):
            raise BadValue(SHARED)
        if seconds > chosen.maxOpenFor:
            raise BadValue(
                f"door {chosen} opens for {formatDuration(chosen.maxOpenFor)} at most: "
                "ask for less, or raise its max_open_for and reload"
            )
        done: Deferred[None] = Deferred()

        def hear(event: Event) -> None:
            about = event.door.name if event.door else ""
            if (about, event.source) == (chosen.name, str(address)) and not done.called:
                if event.kind in _FRUITLESS or self._isOpen(chosen, address):
                    done.callback(None)

        end = self._publisher.subscribe(hear)
        try:
            before = self._keeper.standing(chosen.name, address)
            self._keeper.request(Request(chosen, str(address), seconds, who=OPERATOR))
            standing = self._keeper.standing(chosen.name, address)
            if standing is None:
                raise FirewallError(
                    f"door {chosen} has {MAX_OPENINGS} openings already, which is the most"
                )
            # Of many that are refused at the same moment not all are told.
            isRefused = standing.trouble and (before is None or standing.trouble != before.trouble)
            if not isRefused and not self._isOpen(chosen, address):
                await self._patient(done, OPEN_PATIENCE)
        finally:
            end()
        standing = self._keeper.standing(chosen.name, address)
        if standing is None or not self._isOpen(chosen, address):
            raise FirewallError(self._trouble(standing))
        now, time = self._clock.seconds(), self._publisher.wallClock()
        return OpenedRecord(recordOpening(standing, now, time))

    def _door(self, name: str) -> Door:
        doors = {door.name: door for door in self._checkDoor(name)}
        if not name and len(doors) > 1:
            raise BadValue(f"there are {len(doors)} doors: say which one, {', '.join(doors)}")
        return doors[name] if name else next(iter(doors.values()))

    def _isOpen(self, door: Door, address: Address) -> bool:
        """Whether the firewall has all that is wanted of an opening."""
        standing = self._keeper.standing(door.name, address)
        now = self._clock.seconds()
        return standing is not None and now < standing.granted == standing.opening.deadline

    def _trouble(self, standing: OpeningStatus | None) -> str:
        """Why something is not open that ought to be."""
        if standing is None or standing.opening.deadline <= self._clock.seconds():
            return "it was closed meanwhile"
        return standing.trouble or "the firewall does not answer; see the daemon's log"

    async def close(self, door: str = "", source: str = "") -> "ClosedRecord":
        """See L{AdminOperations.close}."""
        from pkdoors.admin._recording import recordOpening
        from pkdoors.admin.records import ClosedRecord, LazyRecords

        state = self._select(door, source)
        before = [each for each in state.openings if door in ("", each.opening.door.name)]
        if source and not before:
            address = _parseAddress(source)
            raise NotFound(f"{door and f'door {door}: '}nothing is open for {address}")
        before.sort(key=lambda each: each.opening.deadline)
        keys = [each.opening.key for each in before]
        ending = set(keys)
        done: Deferred[None] = Deferred()

        def hear(event: Event) -> None:
            if event.kind in (CLOSED, UNOPENED) and event.door is not None:
                ending.discard((event.door.name, ip_address(event.source)))
                if not ending and not done.called:
                    done.callback(None)

        end = self._publisher.subscribe(hear)
        try:
            self._keeper.close(keys, OPERATOR)
            if ending:
                await self._patient(done, CLOSE_PATIENCE)
        finally:
            end()
        left = frozenset(ending)
        record = partial(recordOpening, seconds=state.seconds, time=state.time)

        def recordLeft(status: OpeningStatus) -> "ClosingRecord":
            return self._recordClosing(record(status), status.opening.key)

        return ClosedRecord(
            LazyRecords(record, [each for each in before if each.opening.key not in left]),
            LazyRecords(recordLeft, [each for each in before if each.opening.key in left]),
        )

    def _recordClosing(self, opening: "OpeningRecord", key: tuple[str, Address]) -> "ClosingRecord":
        from pkdoors.admin._recording import recordClosing

        status = self._keeper.standing(*key)
        trouble = status.trouble if status is not None else ""
        return recordClosing(opening, trouble, self._stack.isInnermostClosed(*key))

    async def reload(self) -> "ReloadedRecord":
        """See L{AdminOperations.reload}."""
        from pkdoors.admin.records import ReloadedRecord

        done = await self._reloader.reload()
        return ReloadedRecord(done.changes, done.troubles)

    async def _patient(self, awaited: Deferred[None], seconds: float) -> None:
        try:
            await awaited.addTimeout(seconds, self._clock)
        except TimeoutError:
            pass


def _parseAddress(text: str) -> Address:
    try:
        return ip_address(canonical(text))
    except ValueError:
        raise BadValue(f"{text!r} is not an address: give an IPv4 or IPv6 address") from None
