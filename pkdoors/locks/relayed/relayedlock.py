"""The lock that opens to seals which other hosts of a fleet have heard. Pure."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from pkdoors.knocks.seal import Sealed, SealError, Statement, findDoor, parseSealed
from pkdoors.knocks.signatureforms import isWellFormed
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed.keytable import Lines
from pkdoors.locks.sealed.sealjudge import (
    SealJudge,
    SealRefused,
    explainSkew,
    isBound,
    nameClaim,
)
from pkdoors.model.addresses import canonicalize
from pkdoors.model.fleetnames import isFleetHost

NOWHERE = "*"
"""In place of the address of a seal that has none, in a refusal."""
NO_HOST = "a host without a name"
"""In place of the name of a host that is not one."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """
    A seal that has arrived.

    @ivar origin: the host that heard the knock.
    @ivar source: the address that the knock came from, as that host says; or empty.
    @ivar moment: when it arrived, on a clock that does not jump.
    @ivar timeOfDay: the same, in seconds since 1970.
    """

    judge: SealJudge
    sealed: Sealed
    origin: str
    source: str
    moment: float
    timeOfDay: float

    @property
    def statement(self) -> Statement:
        """What is sealed."""
        return self.sealed.statement

    @property
    def stamp(self) -> float:
        """When the knock was made, in seconds since 1970."""
        return self.statement.stamp / 1000

    @property
    def latest(self) -> float:
        """When it cannot have any effect any more, in seconds since 1970, whatever its key."""
        door, statement = self.judge.door, self.statement
        seconds = door.maxOpenFor if statement.close else door.grant(statement.seconds)
        return self.stamp + max(seconds, door.clockSkew)  # over UDP it is good until then


class RelayedLock:
    """
    Judges the seals that a fleet passes on, for all of its doors on this host.

    Nothing that comes with a seal counts: not the time of its arrival, nor where it came from. The
    same seal gives the same opening, with the same end, whenever and however often it comes.

    @param findJudge: returns the judge of one of this host's doors of the fleet, by the door's
        name; L{None} if there is no such door.
    @param trust: the hosts whose word counts for the address of a seal that names none.
    @param host: the name of this host, which hears of its own seals again.
    @ivar over: how many seals came when their time was over.
    """

    def __init__(
        self,
        findJudge: Callable[[str], SealJudge | None],
        trust: Collection[str] = (),
        host: str = "",
    ) -> None:
        self._findJudge = findJudge
        self._trust = frozenset(trust)
        self._host = host
        self.over = 0

    def judge(
        self, datagram: bytes, origin: str, source: str, now: float, today: float
    ) -> Request | Refusal | None:
        """
        Judge a relayed seal. Nothing is raised, whatever it is.

        @param origin: the host that heard the knock.
        @param source: the address that the knock came from, as that host says; or empty.
        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: L{None} if there is nothing to do and nothing to report: the seal is for a door
            that this host does not have, its time is over, it asks to close what was closed
            already, or it is one of this host's own that opens once.
        """
        judge = self._findJudge(findDoor(datagram).decode(errors="replace"))
        if judge is None or judge.memory is None:
            return None
        try:
            sealed = parseSealed(datagram)
        except SealError as error:
            return Refusal(judge.door, NOWHERE, f"{error}, relayed by {_show(origin)}")
        arrival = _Arrival(judge, sealed, origin, source, now, today)
        if arrival.latest <= today:
            self.over += 1
            return None
        try:
            return self._judge(arrival)
        except SealRefused as reason:
            shown = sealed.statement.bind if isBound(sealed.statement) else _findSource(source)
            return Refusal(judge.door, shown, f"{reason}, relayed by {_show(origin)}", reason.who)

    def _judge(self, arrival: _Arrival) -> Request | None:
        judge, sealed, statement = arrival.judge, arrival.sealed, arrival.statement
        lines = _findSigner(arrival)
        isKnown = _remember(arrival, lines)
        if arrival.stamp - arrival.timeOfDay > judge.door.clockSkew:
            skew = explainSkew(arrival.timeOfDay - arrival.stamp, judge.door.clockSkew)
            raise SealRefused(skew, lines[0].who)
        address = self._findAddress(arrival, lines)
        if arrival.origin == self._host and not isBound(statement):
            if isKnown:
                return None
            raise SealRefused("it names no address, and this host has not heard it", lines[0].who)
        if isKnown and not statement.close and (judge.door.once or not isBound(statement)):
            if arrival.origin == self._host:
                return None
            raise SealRefused("this knock was seen before, and it opens once", lines[0].who)
        target = judge.chooseTarget(
            lines, sealed, address, arrival.moment, arrival.timeOfDay, isKnown
        )
        via = "" if arrival.origin == self._host else arrival.origin
        request = judge.makeRequest(target, statement, address)
        request = replace(request, since=arrival.stamp, via=via)
        if statement.close:
            isNew = judge.noteClosed(target, statement, arrival.moment, arrival.timeOfDay)
            return request if isNew else None
        until = _findEnd(arrival, judge.grant(target, statement))
        if judge.memory is not None:
            until = judge.memory.judged.limit(nameClaim(target.line, statement.nonce), until)
        if until <= arrival.moment:
            self.over += 1
            return None
        return replace(request, until=until)

    def _findAddress(self, arrival: _Arrival, lines: Lines) -> str:
        """
        Return the address that a knock is for. The signature fixes it, or the word of a host that
        is trusted does.
        """
        if isBound(arrival.statement):
            return arrival.statement.bind
        origin = arrival.origin
        if origin not in self._trust:
            reason = f"it names no address, and trust does not list {_show(origin)}"
            raise SealRefused(reason, lines[0].who)
        if (address := _findSource(arrival.source)) == NOWHERE:
            raise SealRefused("it names no address, and came without one", lines[0].who)
        return address


def _findSigner(arrival: _Arrival) -> Lines:
    """Return the lines of the key that made a seal."""
    judge, sealed = arrival.judge, arrival.sealed
    if not isWellFormed(sealed.signature):
        raise SealRefused(
            "its seal is bad: malformed, or made by a security key that was not touched"
        )
    hints, hinted = judge.hints, None
    if not sealed.certificate and hints.needsSearch(sealed.statement):
        hinted = next(found for found in hints.search(sealed.statement) if found is not None)
    elif not sealed.certificate:
        hinted = hints.findQuickly(sealed.statement)
    return judge.findSigner(sealed, judge.findKeys(sealed, hinted, arrival.timeOfDay))


def _remember(arrival: _Arrival, lines: Lines) -> bool:
    """
    Remember a good seal, whatever becomes of it: over UDP it is a copy from now on. Return whether
    it may have been known before.
    """
    judge, statement = arrival.judge, arrival.statement
    if judge.hasSeen([lines], statement.nonce) or judge.hasForgotten(lines, statement.stamp):
        return True
    judge.remember(lines[0], statement)
    return False


def _findEnd(arrival: _Arrival, seconds: float) -> float:
    """Return when an opening ends, on the clock that does not jump."""
    return arrival.moment + seconds + min(0.0, arrival.stamp - arrival.timeOfDay)


def _findSource(source: str) -> str:
    """Return an address that a host has named; L{NOWHERE} if it is not one."""
    try:
        return source if canonicalize(source) == source else NOWHERE
    except ValueError:
        return NOWHERE


def _show(origin: str) -> str:
    return origin if isFleetHost(origin) else NO_HOST
