"""
The seam to the engine: everything that pkdoors asks of what keeps and delivers the fleet's log.

The engine is trusted with delivery alone. So what it returns is bytes, and whoever reads them
judges them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

BEGINNING = "0"
"""The position before the first entry of a stream."""
PAGE = 100
"""Entries of one stream in one answer, so no stream makes the others wait for long."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    An entry of a stream.

    @ivar id: its position: C{MILLISECONDS-NUMBER}, by the engine's clock.
    @ivar fields: what its writer wrote, which may be anything.
    """

    id: str
    fields: Mapping[str, bytes]

    @property
    def time(self) -> float:
        """The time of day at which the engine took it in, by the engine's clock."""
        return orderOf(self.id)[0] / 1000


def orderOf(position: str) -> tuple[int, int]:
    """Return what sorts positions; an unreadable one comes first."""
    milliseconds, _, number = position.partition("-")
    try:
        return int(milliseconds), int(number or 0)
    except ValueError:
        return 0, 0


def positionAt(time: float) -> str:
    """Return the position before all entries of a time of day and later."""
    return f"{int(time * 1000) - 1}-18446744073709551615" if time > 0 else BEGINNING


def clockOf(about: Mapping[str, str], own: float) -> float:
    """
    Return the engine's time of day, if it gives it, or else our own.

    @param about: what L{IEngine.describe} returns.
    """
    try:
        return int(about["server_time_usec"]) / 1e6
    except (KeyError, ValueError, OverflowError):
        return own


class IEngine(Protocol):
    """
    A connection to the engine. After an L{EngineError} it is of no more use, unless that is an
    L{EngineRefusal}: close it, and connect again.
    """

    async def append(
        self, stream: str, fields: Mapping[str, bytes], *, oldest: float = 0, most: int = 0
    ) -> str:
        """
        Add an entry to a stream.

        @param oldest: entries from before this time of day may go; 0 to keep them.
        @param most: entries beyond about so many may go; 0 to keep them.
        @return: its position.
        """

    async def follow(self, positions: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        """
        Wait for entries, for some seconds, and return those that came, the oldest first, and at
        most L{PAGE} of a stream; streams without any are left out. Only one call at a time.

        @param positions: by stream, after which entries are wanted.
        """

    async def read(self, stream: str, after: str = BEGINNING, most: int = PAGE) -> Sequence[Entry]:
        """Return the entries of a stream after a position, the oldest first, without waiting."""

    async def readLast(self, stream: str, most: int = 1) -> Sequence[Entry]:
        """Return the last entries of a stream, the newest first."""

    async def claim(self, name: str, owner: str, milliseconds: int) -> bool:
        """Set a value that lasts so long, if there is none. Return whether there was none."""

    async def put(self, name: str, value: bytes, seconds: int) -> None:
        """Set a value that lasts so long."""

    async def get(self, name: str) -> bytes | None:
        """Return a value; L{None} if there is none."""

    async def describe(self) -> Mapping[str, str]:
        """Return what the engine says of itself, as the fields of Redis's C{INFO}."""

    async def close(self) -> None:
        """Hang up. Calls that wait fail."""
