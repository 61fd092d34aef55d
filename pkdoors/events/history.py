"""The latest events, ready to be sent to clients that follow them. Pure."""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from os import urandom
from typing import Any, NamedTuple

from pkdoors.util.oneline import formatJSONLine

MAX_BYTES = 1 << 18
"""Bytes of memory for events: the latest four hundred of the usual length."""

OVERHEAD = 256
"""Bytes that Python needs for an event beside its text."""

RUN_BYTES = 8
"""Random bytes that tell one run of the daemon from all others, also if the clock was set back."""

_NUMBER = re.compile("[0-9]{1,18}")


class PastEvent(NamedTuple):
    """
    An event that was published.

    @ivar id: names it, and the run of the daemon: C{90aa3c41b2d1e877-17}.
    @ivar kind: see L{pkdoors.events.event.KINDS}.
    @ivar data: its L{pkdoors.events.event.fields}, as one line of JSON.
    """

    id: str
    kind: str
    data: bytes


class EventHistory:
    """
    Keeps the latest events, and numbers all of them, from 1 at the daemon's start.

    @param run: the name of this run of the daemon; by default a random one.
    @param most: bytes of memory for the events.
    """

    def __init__(self, run: str = "", most: int = MAX_BYTES) -> None:
        self._run = run or urandom(RUN_BYTES).hex()
        self._most = most
        self._kept: deque[PastEvent] = deque()
        self._size = 0
        self._count = 0

    def add(self, fields: Mapping[str, Any]) -> PastEvent:
        """
        Add an event, and forget the oldest ones if there are too many.

        @param fields: see L{pkdoors.events.event.fields}.
        """
        self._count += 1
        data = formatJSONLine(fields).encode()  # lone surrogates are escaped
        event = PastEvent(self._idOf(self._count), fields["event"], data)
        self._kept.append(event)
        self._size += _sizeOf(event)
        while self._size > self._most:
            self._size -= _sizeOf(self._kept.popleft())
        return event

    def before(self, events: Sequence[PastEvent]) -> str:
        """
        Return the id that the first of the latest events comes after; if it is the first of all,
        that names no event, but means the same.

        @param events: the latest ones; without any, the id of the newest event is returned.
        """
        return self._idOf(self._count - len(events))

    def last(self, most: int) -> list[PastEvent]:
        """Return the latest events, the oldest of them first."""
        return self._keptFrom(max(self._first, self._count - most + 1))

    def after(self, id: str) -> tuple[list[PastEvent], int | None]:
        """
        Return the events after the one with an id, and how many of those are no longer kept: after
        these come those that are returned. That number is L{None} if the id is not one of this run;
        then all events that are kept are returned.
        """
        run, _, number = id.rpartition("-")
        isOurs = run == self._run and _NUMBER.fullmatch(number) and int(number) <= self._count
        if not isOurs:
            return [*self._kept], None
        missed = max(0, self._first - int(number) - 1)
        return self._keptFrom(int(number) + 1 + missed), missed

    @property
    def _first(self) -> int:
        """The number of the oldest event that is kept."""
        return self._count - len(self._kept) + 1

    def _keptFrom(self, number: int) -> list[PastEvent]:
        return [*islice(self._kept, number - self._first, None)]

    def _idOf(self, number: int) -> str:
        return f"{self._run}-{number}"


def _sizeOf(event: PastEvent) -> int:
    return OVERHEAD + len(event.data)
