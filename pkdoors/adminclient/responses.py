"""What the daemon answers, as values; C{docs/admin.md} tells its JSON. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pkdoors.errors import AskError
from pkdoors.util.oneline import oneLine

T = TypeVar("T")

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DoorState:
    """
    How things stand with a door.

    @ivar ports: C{22/tcp,80/tcp}.
    @ivar openings: for how many addresses it is open.
    """

    name: str
    ports: str
    lock: str
    openFor: float
    maxOpenFor: float
    openings: int


@dataclass(frozen=True, slots=True)
class OpeningState:
    """
    How things stand with an opening.

    @ivar isOpen: whether the firewall has it.
    @ivar until: the time of day of its deadline.
    @ivar who: who earned it, as short as possible; empty where nobody knows.
    @ivar trouble: what the firewall refuses; empty where it refuses nothing.
    """

    door: str
    source: str
    ports: str
    isOpen: bool
    until: datetime
    secondsLeft: float
    who: str
    trouble: str


@dataclass(frozen=True, slots=True)
class ClosingState:
    """
    An opening that not every firewall has closed yet.

    @ivar isShut: whether the guard has, so that nobody comes in any more.
    """

    opening: OpeningState
    isShut: bool

    @property
    def isDone(self) -> bool:
        """Whether nothing but time is needed: firewalld is slower, and refuses nothing."""
        return self.isShut and not self.opening.trouble


@dataclass(frozen=True, slots=True)
class Status:
    """
    How things stand.

    @ivar uptime: seconds since the daemon's start.
    @ivar troubles: what keeps the daemon from doing all that it should, a sentence each.
    @ivar openings: those that end first first.
    @ivar knocks: how many datagrams on the knock ports were heard.
    @ivar dropped: how many were not, by the reason.
    """

    version: str
    uptime: float
    firewall: str
    troubles: tuple[str, ...]
    doors: tuple[DoorState, ...]
    openings: tuple[OpeningState, ...]
    knocks: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Happening:
    """
    Something that happened.

    @ivar seconds: from then on, of what was opened; of what was closed, that it was open for.
    @ivar text: its line in the log.
    """

    kind: str
    time: datetime
    door: str
    source: str
    seconds: float
    who: str
    reason: str
    text: str


def statusOf(answer: object) -> Status:
    """
    Read the answer to C{GET /status}.

    @raise AskError: it is none.
    """
    table = _table(answer)
    counters = _table(table.get("counters"))
    return Status(
        version=_text(table, "version"),
        uptime=_number(table, "uptime"),
        firewall=_text(table, "firewall"),
        troubles=tuple(_textsOf(table, "troubles")),
        doors=tuple(_doorOf(each) for each in _take(table, "doors", list)),
        openings=_openingsOf(table, "openings"),
        knocks=sum(_countsOf(counters, "knocks").values()),
        dropped=_countsOf(counters, "dropped"),
    )


def openedOf(answer: object) -> OpeningState:
    """
    Read the answer to C{POST /openings}.

    @raise AskError: it is none.
    """
    return _openingOf(_table(answer).get("opening"))


def closedOf(answer: object) -> tuple[tuple[OpeningState, ...], tuple[ClosingState, ...]]:
    """
    Read the answer to C{DELETE /openings}: what was closed, and what is still closing.

    @raise AskError: it is none.
    """
    table = _table(answer)
    closing = _take(table, "closing", list)
    return _openingsOf(table, "closed"), tuple(_closingOf(each) for each in closing)


def _closingOf(answer: object) -> ClosingState:
    return ClosingState(_openingOf(answer), _take(_table(answer), "shut", bool))


def reloadedOf(answer: object) -> tuple[list[str], list[str]]:
    """
    Read the answer to C{POST /reload}: the changes, and the troubles.

    @raise AskError: it is none.
    """
    return _textsOf(_table(answer), "changes"), _textsOf(_table(answer), "troubles")


def _openingsOf(table: Answer, key: str) -> tuple[OpeningState, ...]:
    return tuple(_openingOf(each) for each in _take(table, key, list))


def _openingOf(answer: object) -> OpeningState:
    table = _table(answer)
    return OpeningState(
        door=_text(table, "door"),
        source=_text(table, "source"),
        ports=_ports(table),
        isOpen=_take(table, "open", bool),
        until=_time(table, "until"),
        secondsLeft=_number(table, "seconds_left"),
        who=_who(table),
        trouble=_text(table, "trouble"),
    )


def happeningOf(answer: object) -> Happening:
    """
    Read what came by C{GET /events}.

    @raise AskError: it is nothing that happened.
    """
    table = _table(answer)
    return Happening(
        kind=_text(table, "event"),
        time=_time(table, "time"),
        door=_text(table, "door"),
        source=_text(table, "source"),
        seconds=_number(table, "seconds"),
        who=_who(table),
        reason=_text(table, "reason"),
        text=_text(table, "text"),
    )


def printable(text: str) -> str:
    """
    A text with nothing in it that steers a terminal: names in it may be somebody else's choice.
    """
    return oneLine(text, len(text))


def unknown(what: str) -> AskError:
    """The error for an answer that is none of those in C{docs/admin.md}."""
    return AskError(
        f"the daemon's answer cannot be understood ({what}): if it was started before pkdoors was "
        "updated, restart it"
    )


def _countsOf(counters: Answer, key: str) -> dict[str, int]:
    counted = _take(counters, key, dict)
    return {each: _take(counted, each, int) for each in counted}


def _doorOf(answer: object) -> DoorState:
    table = _table(answer)
    return DoorState(
        name=_text(table, "name"),
        ports=_ports(table),
        lock=_text(table, "lock"),
        openFor=_number(table, "open_for"),
        maxOpenFor=_number(table, "max_open_for"),
        openings=_take(table, "openings", int),
    )


def _table(answer: object) -> Answer:
    if not isinstance(answer, dict):
        raise unknown("it is no object of JSON")
    return answer


def _take(table: Answer, key: str, kind: type[T]) -> T:
    value = table.get(key)
    if not isinstance(value, kind):
        raise unknown(f"{key!r} is missing, or is not what it should be")
    return value


def _textsOf(table: Answer, key: str) -> list[str]:
    return [printable(str(each)) for each in _take(table, key, list)]


def _text(table: Answer, key: str) -> str:
    return printable(_take(table, key, str))


def _number(table: Answer, key: str) -> float:
    value = table.get(key)
    if not isinstance(value, int | float):
        raise unknown(f"{key!r} is no number")
    return float(value)


def _ports(table: Answer) -> str:
    return ",".join(_textsOf(table, "ports"))


def _who(table: Answer) -> str:
    return _text(table, "user") or _text(table, "key")


def _time(table: Answer, key: str) -> datetime:
    try:
        return datetime.fromisoformat(_take(table, key, str))
    except ValueError:
        raise unknown(f"{key!r} is no time") from None
