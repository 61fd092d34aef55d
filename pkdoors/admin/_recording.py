"""Makes the records of the daemon's state. Pure."""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial

from pkdoors.admin.records import (
    ClosingRecord,
    CountersRecord,
    DoorRecord,
    LazyRecords,
    OpeningRecord,
    keysOf,
)
from pkdoors.doorkeeper.openings.state import OpeningStatus, Page, Snapshot
from pkdoors.events.counters import Counters
from pkdoors.events.event import HEALED
from pkdoors.model.doors import Door


def recordDoors(state: Snapshot) -> Collection[DoorRecord]:
    """Return the doors, without their secrets."""
    return LazyRecords(partial(_recordDoor, state), state.doors)


def _recordDoor(state: Snapshot, door: Door) -> DoorRecord:
    count = state.counts[door.name]
    return DoorRecord(
        name=door.name,
        ports=tuple(map(str, door.ports)),
        lock="sealed" if door.authorizedKeys else "sequence",
        openFor=door.openFor,
        maxOpenFor=door.maxOpenFor,
        sessions="cut" if door.cutSessions else "keep",
        udpIdle=door.udpIdle,
        udpMax=door.udpMax,
        openings=count.openings,
        sources=state.sources.get(door.name, 0),
        uses="once" if door.once else "many",
        trusted=tuple(map(str, door.trusted)),
        networks=count.networks,
        maxOpenings=door.mostOpenings,
        fleet=door.fleet,
        listens=door.listens,
    )


def recordOpenings(page: Page, state: Snapshot) -> Collection[OpeningRecord]:
    """Return the openings of a page."""
    record = partial(recordOpening, seconds=state.seconds, time=state.time)
    return LazyRecords(record, page.statuses)


def recordOpening(status: OpeningStatus, seconds: float, time: float) -> OpeningRecord:
    """
    Return an opening.

    @param seconds: now, on the doorkeeper's clock.
    @param time: the time of day then.
    """
    opening = status.opening
    left = max(0.0, opening.deadline - seconds)
    return OpeningRecord(
        door=opening.door.name,
        source=str(opening.source),
        ports=tuple(map(str, opening.door.ports)),
        isOpen=status.granted > seconds,
        until=datetime.fromtimestamp(time + left, UTC),
        secondsLeft=round(left, 3),
        user=opening.who.name,
        key=opening.who.key,
        askedFrom=opening.who.address,
        via=opening.via,
        trouble=status.trouble,
        uses="once" if opening.door.once else "many",
        used=status.isUsed,
    )


def recordClosing(opening: OpeningRecord, trouble: str, isShut: bool) -> ClosingRecord:
    """Return an opening that is not closed everywhere yet."""
    values = {name: getattr(opening, name) for name in keysOf(OpeningRecord)}
    return ClosingRecord(**{**values, "trouble": trouble, "isShut": isShut})


def recordCounters(counters: Counters) -> CountersRecord:
    """Return the counters."""
    calls = {"ok": 0, "failed": 0}
    for (_, _, result), count in counters.firewall.items():
        calls[result] += count
    return CountersRecord(
        knocks=dict(counters.knocks),
        dropped=dict(counters.dropped()),
        events=dict(sorted(counters.events.items())),
        firewallCalls=calls,
        heals=counters.events[HEALED],
    )
