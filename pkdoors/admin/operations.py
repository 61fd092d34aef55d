"""
What the operator does with a daemon that runs: see L{pkdoors.admin._interface.AdminOperations}.
"""

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from pkdoors import __version__
from pkdoors.admin._interface import Json
from pkdoors.daemon.reload import Reloader
from pkdoors.doorkeeper.admission import MAX_OPENINGS
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.state import OpeningStatus, Snapshot, doorsOf, openingOf, openingsOf
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

    def status(self) -> Json:
        """See L{AdminOperations.status}."""
        state = self.state()
        return {
            "version": __version__.public(),
            "uptime": round(state.seconds - self._began, 3),
            "firewall": self._stack.name,
            "troubles": self._troubles(),
            "doors": doorsOf(state),
            "openings": openingsOf(state),
            "counters": self.counters.asJSON(),
        }

    def openings(self, door: str = "", source: str = "") -> Json:
        """See L{AdminOperations.openings}."""
        state = self._chosen(door, source)
        return {"openings": openingsOf(state, door)}

    def _chosen(self, door: str, source: str) -> Snapshot:
        """
        The state, with openings for an address only, where one is given. All of them are not looked
        through for it.

        @raise NotThere: there is no such door.
        """
        doors = self._known(door)
        if not source:
            return self.state()
        address = _address(source)
        found = (self._keeper.standing(each.name, address) for each in doors)
        standings = tuple(each for each in found if each is not None)
        return Snapshot(self._clock.seconds(), self._publisher.wallClock(), doors, standings, {})

    def _known(self, door: str) -> tuple[Door, ...]:
        """
        The doors, one of which has this name.

        @raise NotThere: none has.
        """
        names = [each.name for each in self._keeper.doors]
        if door and door not in names:
            raise NotFound(f"there is no door {door!r}: its doors are {', '.join(names)}")
        return self._keeper.doors

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> Json:
        """See L{AdminOperations.open}."""
        chosen, address = self._door(door), _address(source)
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
        return {"opening": openingOf(standing, now, time)}

    def _door(self, name: str) -> Door:
        doors = {door.name: door for door in self._known(name)}
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

    async def close(self, door: str = "", source: str = "") -> Json:
        """See L{AdminOperations.close}."""
        state = self._chosen(door, source)
        before = [each for each in state.standings if door in ("", each.opening.door.name)]
        if source and not before:
            raise NotFound(f"{door and f'door {door}: '}nothing is open for {_address(source)}")
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
        shown = partial(openingOf, seconds=state.seconds, time=state.time)
        left = frozenset(ending)
        return {
            "closed": (shown(each) for each in before if each.opening.key not in left),
            "closing": (
                {**shown(each), **self._howClosing(each.opening.key)}
                for each in before
                if each.opening.key in left
            ),
        }

    def _howClosing(self, key: tuple[str, Address]) -> Json:
        standing = self._keeper.standing(*key)
        trouble = standing.trouble if standing is not None else ""
        return {"trouble": trouble, "shut": self._stack.isInnermostClosed(*key)}

    async def reload(self) -> Json:
        """See L{AdminOperations.reload}."""
        done = await self._reloader.reload()
        return {"changes": done.changes, "troubles": done.troubles}

    async def _patient(self, awaited: Deferred[None], seconds: float) -> None:
        try:
            await awaited.addTimeout(seconds, self._clock)
        except TimeoutError:
            pass


def _address(text: str) -> Address:
    try:
        return ip_address(canonical(text))
    except ValueError:
        raise BadValue(f"{text!r} is not an address: give an IPv4 or IPv6 address") from None
