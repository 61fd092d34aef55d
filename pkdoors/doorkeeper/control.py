"""Opens and closes doors by name, for whoever runs the daemon: the operator, or a program."""

from dataclasses import dataclass
from ipaddress import ip_address

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.state import OpeningStatus, Snapshot
from pkdoors.errors import BadValue, FirewallError, NotFound
from pkdoors.host.clientaddress import SHARED, canBeClient, isShared
from pkdoors.locks.lock import Request
from pkdoors.model.addresses import Address, canonicalize
from pkdoors.model.doors import Door
from pkdoors.model.principal import OPERATOR
from pkdoors.util.durations import formatDuration

OPEN_PATIENCE = 5.0
"""Seconds that L{DoorControl.open} waits for the firewall; the daemon itself keeps trying until the
time of the opening is over."""
CLOSE_PATIENCE = 1.5
"""Seconds that L{DoorControl.close} waits for firewalld. The guard has closed by then in any case.
"""


@dataclass(frozen=True, slots=True)
class Closed:
    """
    What was asked to close, as it was before; the openings that would have ended first come first.

    @ivar state: the moment before.
    @ivar closed: what is closed now.
    @ivar closing: what some firewall has not closed yet. The daemon keeps trying.
    """

    state: Snapshot
    closed: tuple[OpeningStatus, ...]
    closing: tuple[OpeningStatus, ...]


class DoorControl:
    """
    Checks what it is asked for, since somebody typed it. A method that raises an error has changed
    nothing, unless it says otherwise.
    """

    def __init__(self, clock: IReactorTime, keeper: Doorkeeper) -> None:
        self._clock = clock
        self._keeper = keeper

    def state(self, door: str = "", source: str = "") -> Snapshot:
        """
        Return how things stand now.

        @param door: the name of a door that must exist; empty for any.
        @param source: if given, only openings for this address.
        @raise NotFound: there is no such door.
        @raise BadValue: that is not an address.
        """
        self._checkDoor(door)
        return self._keeper.state(parseAddress(source) if source else None)

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> OpeningStatus:
        """
        Open a door for an address, or move the deadline of its opening to a later time.

        @param door: its name; empty for the only door.
        @param seconds: 0 for the door's own time.
        @return: the opening, when every firewall has opened it.
        @raise BadValue: the address is not one that a client can have, the time is longer than the
            door allows, or the door must be named.
        @raise NotFound: there is no such door.
        @raise FirewallError: the firewall refuses, or does not answer; the daemon keeps trying
            until the time is over. Or the door has too many openings.
        """
        chosen, address = self._chooseDoor(door), parseAddress(source)
        if not canBeClient(address):
            raise BadValue(f"no client has the address {address}: give the address of one client")
        if isShared(address):
            raise BadValue(SHARED)
        if seconds > chosen.maxOpenFor:
            raise BadValue(
                f"door {chosen} opens for {formatDuration(chosen.maxOpenFor)} at most: "
                "ask for less, or raise its max_open_for and reload"
            )
        settled = self._keeper.open(Request(chosen, str(address), seconds, who=OPERATOR))
        await self._wait(settled, OPEN_PATIENCE)
        status, now = self._keeper.status(chosen.name, address), self._clock.seconds()
        if status is None or status.opening.deadline <= now:
            raise FirewallError("it was closed meanwhile")
        if not status.isOpenAt(now):
            raise FirewallError(
                status.trouble or "the firewall does not answer; see the daemon's log"
            )
        return status

    async def close(self, door: str = "", source: str = "") -> Closed:
        """
        Close the openings of a door, for an address; of all doors, or for all, if that is empty.

        @raise NotFound: there is no such door, or nothing is open for the address.
        @raise BadValue: that is not an address.
        """
        state = self.state(door, source)
        statuses = [status for status in state.statuses if door in ("", status.opening.door.name)]
        if source and not statuses:
            prefix = f"door {door}: " if door else ""
            raise NotFound(f"{prefix}nothing is open for {parseAddress(source)}")
        statuses.sort(key=lambda status: status.opening.deadline)
        closing = self._keeper.close([status.opening.key for status in statuses], OPERATOR)
        await self._wait(closing.done, CLOSE_PATIENCE)
        left = frozenset(closing.left)
        return Closed(
            state,
            tuple(status for status in statuses if status.opening.key not in left),
            tuple(status for status in statuses if status.opening.key in left),
        )

    def _checkDoor(self, name: str) -> None:
        names = [door.name for door in self._keeper.doors]
        if name and name not in names:
            raise NotFound(f"there is no door {name!r}: its doors are {', '.join(names)}")

    def _chooseDoor(self, name: str) -> Door:
        self._checkDoor(name)
        doors = {door.name: door for door in self._keeper.doors}
        if not name and len(doors) > 1:
            raise BadValue(f"there are {len(doors)} doors: say which one, {', '.join(doors)}")
        return doors[name] if name else next(iter(doors.values()))

    async def _wait(self, awaited: Deferred[None], seconds: float) -> None:
        try:
            await awaited.addTimeout(seconds, self._clock)
        except TimeoutError:
            pass


def parseAddress(text: str) -> Address:
    """
    Return the address that a text means, however it is written.

    @raise BadValue: it is not an address.
    """
    try:
        return ip_address(canonicalize(text))
    except ValueError:
        raise BadValue(f"{text!r} is not an address: give an IPv4 or IPv6 address") from None
