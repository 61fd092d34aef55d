"""The lock that opens to seals which other hosts of a fleet have heard. Pure."""

import re
from collections.abc import Callable, Collection, Mapping
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

NOWHERE = "*"
"""In place of the address of a seal that has none, in a refusal."""

_HOST = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NO_HOST = "a host without a name"


@dataclass(frozen=True, slots=True)
class _Arrival:
    """
    A seal that has arrived.

    @ivar origin: the host that heard the knock.
    @ivar source: the address that the knock came from, as that host says.
    """

    judge: SealJudge
    sealed: Sealed
    origin: str
    source: str
    now: float
    today: float

    @property
    def statement(self) -> Statement:
        """What is sealed."""
        return self.sealed.statement

    @property
    def stamp(self) -> float:
        """When the knock was made, in seconds since 1970."""
        return self.statement.stamp / 1000


class RelayedLock:
    """
    Judges the seals that a fleet passes on, for all of its doors on this host.

    Nothing that comes with a seal counts: not the time of its arrival, nor where it came from. The
    same seal gives the same opening, with the same end, whenever and however often it comes.

    @param judges: returns the judges of this host's doors of the fleet, by the doors' names.
    @param trust: the hosts whose word counts for the address of a seal that names none.
    @param host: the name of this host, which hears of its own seals again.
    @ivar over: how many seals came when their time was over.
    """

    def __init__(
        self,
        judges: Callable[[], Mapping[str, SealJudge]],
        trust: Collection[str] = (),
        host: str = "",
    ) -> None:
        self._judges = judges
        self._trust = frozenset(trust)
        self._host = host
        self.over = 0

    def judge(
        self, datagram: bytes, origin: str, source: str, now: float, today: float
    ) -> Request | Refusal | None:
        """
        Judge a relayed seal.

        @param origin: the host that heard the knock.
        @param source: the address that the knock came from, as that host says; or empty.
        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: L{None} if there is nothing to do and nothing to report: the seal is for a door
            that this host does not have, its time is over, or it is one of this host's own that
            opens once.
        """
        judges = self._judges()
        try:
            sealed = parseSealed(datagram)
            judge = judges.get(sealed.statement.door)
            if judge is None:
                return None
            arrival = _Arrival(judge, sealed, origin, source, now, today)
            return self._judge(arrival)
        except SealError as error:
            judge = judges.get(findDoor(datagram).decode(errors="replace")) or _first(judges)
            reason = SealRefused(str(error))
        except SealRefused as refused:
            reason = refused
        if judge is None:
            return None
        by = origin if _HOST.fullmatch(origin) else _NO_HOST
        shown = _findAddress(arrival)
        return Refusal(judge.door, shown, f"{reason}, relayed by {by}", reason.who)

