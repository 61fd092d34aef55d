"""
The JSON of the admin interface: each record is one object, as C{docs/admin.md} describes it. The
daemon writes records, and the commands read them. Pure.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")

_KEYS = {"isOpen": "open", "isShut": "shut", "kind": "event"}
"""Keys in JSON that differ from the name of the field by more than C{seconds_left} does."""

UNKNOWN = -1
"""A number that an older daemon does not give."""

_WORD = re.compile("[A-Z]")


@dataclass(frozen=True, slots=True)
class DoorRecord:
    """
    A door, without its secrets. A key that is added to a record later needs a default, because a
    command may ask a daemon that was started before.

    @ivar ports: such as C{22/tcp}.
    @ivar lock: C{sequence} or C{sealed}.
    @ivar openFor: seconds.
    @ivar openings: the number of addresses that the door is open for.
    @ivar sources: the number of knockers that the door remembers.
    @ivar uses: C{many} or C{once}, the connections that an opening lets in.
    @ivar trusted: the networks and interfaces that need no knock.
    @ivar networks: how many of the openings are for networks.
    @ivar maxOpenings: how many openings it may have; 0 if unknown.
    @ivar fleet: whether it is one of the fleet.
    @ivar listens: whether this host hears knocks for it.
    """

    name: str
    ports: tuple[str, ...]
    lock: str
    openFor: float
    maxOpenFor: float
    sessions: str
    udpIdle: float
    udpMax: float
    openings: int
    sources: int
    uses: str = "many"
    trusted: tuple[str, ...] = ()
    networks: int = 0
    maxOpenings: int = 0
    fleet: bool = False
    listens: bool = True


@dataclass(frozen=True, slots=True)
class OpeningRecord:
    """
    An opening.

    @ivar isOpen: whether the firewall has it.
    @ivar until: the time of day of its deadline.
    @ivar user: the comment of the key that earned it, or the operator; empty if unknown.
    @ivar key: the fingerprint of that key.
    @ivar trouble: what the firewall refuses; empty if it refuses nothing.
    @ivar askedFrom: the address that the client asked from, if the opening is not for just that
        one; otherwise empty.
    @ivar via: the host of a fleet that heard the knock, if this host did not; otherwise empty.
    @ivar uses: as of its door.
    @ivar used: whether the one connection that it was for has used it up.
    """

    door: str
    source: str
    ports: tuple[str, ...]
    isOpen: bool
    until: datetime
    secondsLeft: float
    user: str
    key: str
    trouble: str
    askedFrom: str = field(default="", kw_only=True)
    via: str = field(default="", kw_only=True)
    uses: str = "many"
    used: bool = False

    @property
    def who(self) -> str:
        """The shortest name of the client that earned it; empty if unknown."""
        return _describeWho(self.user or self.key, self.askedFrom, self.via)


@dataclass(frozen=True, slots=True)
class ClosingRecord(OpeningRecord):
    """
    An opening that some firewall has not closed yet.

    @ivar isShut: whether the guard has closed it, so no client comes in any more.
    """

    isShut: bool = False

    @property
    def isDone(self) -> bool:
        """Whether it needs nothing but time: firewalld is slower, and refuses nothing."""
        return self.isShut and not self.trouble


@dataclass(frozen=True, slots=True)
class CountersRecord:
    """
    The counters since the daemon's start.

    @ivar knocks: datagrams on the knock ports, by result.
    @ivar dropped: datagrams that the kernel dropped before, by reason.
    @ivar events: by kind.
    @ivar firewallCalls: by result.
    """

    knocks: Mapping[str, int]
    dropped: Mapping[str, int]
    events: Mapping[str, int]
    firewallCalls: Mapping[str, int]
    heals: int


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """
    The answer to C{GET /status}.

    @ivar uptime: seconds since the daemon's start.
    @ivar troubles: what keeps the daemon from doing all that it should, a sentence each.
    @ivar openings: a page of them, sorted by deadline.
    @ivar total: the number of openings on all pages; L{UNKNOWN} of an older daemon.
    @ivar next: where the next page begins; empty if there is none.
    @ivar listen: how knocks are heard, C{capture} or C{sockets}; empty if unknown.
    @ivar pending: what has changed in the configuration file since it was last read, half a
        sentence each.
    """

    version: str
    uptime: float
    firewall: str
    troubles: Sequence[str]
    doors: Collection[DoorRecord]
    openings: Collection[OpeningRecord]
    counters: CountersRecord
    listen: str = ""
    total: int = UNKNOWN
    next: str = ""
    pending: Sequence[str] = ()

    def count(self) -> int:
        """Return the number of openings on all pages."""
        return len(self.openings) if self.total == UNKNOWN else self.total


@dataclass(frozen=True, slots=True)
class OpeningsRecord:
    """The answer to C{GET /openings}: a page, sorted by deadline, see L{StatusRecord}."""

    openings: Collection[OpeningRecord]
    total: int = UNKNOWN
    next: str = ""


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """The answer to C{POST /openings}."""

    opening: OpeningRecord


@dataclass(frozen=True, slots=True)
class ClosedRecord:
    """
    The answer to C{DELETE /openings}.

    @ivar closed: some of them, if the request has a limit.
    @ivar closing: likewise; those that a firewall refuses to close come first.
    @ivar others: which clients still get in through other openings, a sentence each.
    @ivar counts: how many are C{closed}; of those that are closing, how many are C{following},
        which need nothing but time, and C{refused}.
    """

    closed: Collection[OpeningRecord]
    closing: Collection[ClosingRecord]
    others: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def count(self, kind: str) -> int:
        """
        Return how many openings are closed, are following, or are refused.

        @param kind: C{closed}, C{following} or C{refused}.
        """
        listed = {
            "closed": len(self.closed),
            "following": sum(opening.isDone for opening in self.closing),
            "refused": sum(not opening.isDone for opening in self.closing),
        }
        return self.counts.get(kind, listed[kind])


@dataclass(frozen=True, slots=True)
class ReloadedRecord:
    """
    The answer to C{POST /reload}.

    @ivar changes: a sentence each, as C{troubles} are.
    """

    changes: Sequence[str]
    troubles: Sequence[str]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """
    An event of C{GET /events}. L{pkdoors.events.event} writes it, because the audit file has the
    same JSON.

    @ivar seconds: how long an opening lasts from then on, or, after a closing, how long it lasted.
    @ivar text: its line in the log.
    """

    time: datetime
    kind: str
    door: str
    source: str
    ports: tuple[str, ...]
    seconds: float
    user: str
    key: str
    askedFrom: str = field(default="", kw_only=True)
    via: str = field(default="", kw_only=True)
    reason: str
    text: str

    @property
    def who(self) -> str:
        """The shortest name of the client that earned the opening; empty if unknown."""
        return _describeWho(self.user or self.key, self.askedFrom, self.via)


def _describeWho(name: str, askedFrom: str, via: str) -> str:
    origin = f" from {askedFrom}" if askedFrom else ""
    return f"{name}{origin}{f' via {via}' if via else ''}"


class LazyRecords(Collection[T], Generic[S, T]):
    """
    Records that are made when they are written, and forgotten then: there may be thousands, and
    knocks are heard between some and the next.
    """

    def __init__(self, make: Callable[[S], T], given: Iterable[S]) -> None:
        self._make = make
        self._given = deque(given)

    def __len__(self) -> int:
        return len(self._given)

    def __iter__(self) -> Iterator[T]:
        while self._given:  # to forget all at once would take 20 ms
            yield self._make(self._given.popleft())

    def __contains__(self, record: object) -> bool:
        return record in list(self)


@cache
def keysOf(kind: Any) -> Mapping[str, str]:
    """Return the key in JSON of each field of a kind of record, in order."""
    names = [field.name for field in fields(kind)]
    return {name: _KEYS.get(name) or _WORD.sub(r"_\g<0>", name).lower() for name in names}


def simplify(value: Any) -> Any:
    """Return what JSON has for a record or a time: the C{default} of a L{json.JSONEncoder}."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {key: getattr(value, name) for name, key in keysOf(value.__class__).items()}
