"""
What a fleet host writes about itself, C{pk:FLEET:up:HOST}, in JSON. Pure.

The other hosts show it. They believe none of it: it opens nothing and closes nothing.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, NoReturn

from pkdoors.admin.records import UNKNOWN, OpeningRecord, simplify
from pkdoors.adminclient.responses import readRecord
from pkdoors.errors import AskError
from pkdoors.fleet.engine import BEGINNING

MAX_OPENINGS = 500
"""Openings in it, those that end first."""
MAX_BYTES = 1 << 20
"""Five times what so many openings take. Another program that writes more is not a host."""


@dataclass(frozen=True, slots=True)
class PresenceRecord:
    """
    A host that is up. A key that is added later needs a default, because hosts are updated one by
    one.

    @ivar time: when the host wrote this, by its own clock.
    @ivar doors: the names of its fleet doors.
    @ivar positions: how far it has read: name of a stream -> identifier of the last entry.
    @ivar hosts: the hosts whose streams it reads, also those that C{positions} does not name.
    @ivar readTo: the position up to which it has read those.
    @ivar openings: the first L{MAX_OPENINGS} of its fleet doors, as in C{GET /status}.
    @ivar total: the number of all of them; L{UNKNOWN} if only these are known.
    @ivar dropped: seals that it could not publish, because too many waited for the engine.
    @ivar counts: what its fleet process did since its start, by kind.
    @ivar troubles: what it cannot do at present, a sentence each.
    """

    time: datetime
    version: str
    doors: tuple[str, ...]
    positions: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    readTo: str = BEGINNING
    openings: Collection[OpeningRecord] = ()
    total: int = UNKNOWN
    dropped: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()

    def count(self) -> int:
        """Return the number of openings."""
        return len(self.openings) if self.total == UNKNOWN else self.total

    def findPosition(self, stream: str, host: str) -> str | None:
        """Return how far it has read a stream of a host; L{None} if it does not read that."""
        return self.positions.get(stream, self.readTo if host in self.hosts else None)

    def encode(self) -> bytes:
        """Return it as it is written into the engine."""
        return json.dumps(self, default=_simplify, separators=(",", ":")).encode()


def parsePresence(data: bytes) -> PresenceRecord:
    """
    Read what a host has written.

    @raise AskError: it is not that. Nothing else is raised, whatever the bytes.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError("too long")
        found = json.loads(data, parse_constant=_refuse, parse_float=_readFloat)
        return readRecord(PresenceRecord, found)
    except (AskError, ValueError, RecursionError):
        raise AskError(
            "this host wrote a report about itself that cannot be read: if it has another version "
            "of pkdoors, update the older one; otherwise look after this host"
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _readFloat(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _simplify(value: Any) -> Any:
    return list(value) if isinstance(value, Collection) else simplify(value)
