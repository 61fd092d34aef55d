"""What the soak knows by itself of who may come in: from what it did, nothing else. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

Key = tuple[str, str]
"""A door's name, and an address."""

SLACK = 1.5
"""Seconds by which the daemon may be late: these machines are shared."""

TAKEN_OVER = 1.1
"""Seconds by which an opening may end sooner for each new daemon: nft tells whole seconds only."""


KNOCK_TIMEOUT, PENALTY = 30, 3
"""Seconds, of all gates."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A door of the soak's, as its file has it."""

    name: str
    port: int
    sequence: tuple[int, ...]
    openFor: int
    maxOpenFor: int
    keys: str = ""

    def text(self) -> str:
        """Its table in the file."""
        lines = [
            f"[doors.{self.name}]",
            f"sequence = {list(self.sequence)}",
            f"ports = [{self.port}]",
            f'open_for = "{self.openFor}s"',
            f'max_open_for = "{self.maxOpenFor}s"',
            f'knock_timeout = "{KNOCK_TIMEOUT}s"',
            f'penalty = "{PENALTY}s"',
            *([f'authorized_keys = "{self.keys}"'] if self.keys else []),
        ]
        return "\n".join(lines) + "\n"

    def grant(self, asked: int) -> int:
        """The seconds that a knock gets which asks for so many."""
        return min(asked, self.maxOpenFor) if asked else self.openFor


@dataclass(frozen=True, slots=True)
class Span:
    """
    Between which two moments an opening ends. It must be there before the first one, and may not
    be after the second.
    """

    earliest: float
    latest: float


class Books:
    """Which openings there have to be, and which there may be. Times are of one clock."""

    def __init__(self) -> None:
        self._spans: dict[Key, Span] = {}

    def opened(self, key: Key, began: float, ended: float, seconds: float) -> None:
        """
        Somebody knocked, or was let in by the operator. Who is in already loses nothing.

        @param began: a moment before it counted.
        @param ended: a moment after.
        """
        old = self._spans.get(key, Span(0, 0))
        new = Span(began + seconds, ended + seconds)
        self._spans[key] = Span(max(old.earliest, new.earliest), max(old.latest, new.latest))

    def doubted(self, key: Key, ended: float, seconds: float) -> None:
        """Somebody may have got in, and may not."""
        self.opened(key, -seconds, ended, seconds)

    def closed(self, keys: Iterable[Key]) -> None:
        """These ended."""
        for key in list(keys):
            self._spans.pop(key, None)

    def closedAll(self) -> None:
        """All ended."""
        self._spans.clear()

    def shortened(self, door: str, began: float, ended: float, most: float) -> None:
        """A door allows no more than this from now on."""
        for key, span in self._spans.items():
            if key[0] == door:
                earliest, latest = min(span.earliest, began + most), min(span.latest, ended + most)
                self._spans[key] = Span(earliest, latest)

    def takenOver(self) -> None:
        """Another daemon read from the kernel what there is."""
        for key, span in self._spans.items():
            self._spans[key] = replace(span, earliest=span.earliest - TAKEN_OVER)

    def all(self) -> list[Key]:
        """All that are not known to have ended."""
        return list(self._spans)

    def must(self, now: float) -> set[Key]:
        """Which there have to be, and had to be all the time until now."""
        return {key for key, span in self._spans.items() if now < span.earliest - SLACK}

    def may(self, now: float) -> set[Key]:
        """Which there may be now, and may have been since."""
        return {key for key, span in self._spans.items() if now <= span.latest + SLACK}

    def nextEnd(self, now: float) -> float:
        """When the first of them has to be over; 0 where there is none."""
        return min((span.latest for span in self._spans.values() if span.latest > now), default=0)

    def tooLate(self, ends: Mapping[Key, float]) -> set[Key]:
        """
        Which end later than they have to, or are not known here.

        @param ends: the moment of each, as somebody tells it.
        """
        return {
            key
            for key, when in ends.items()
            if (span := self._spans.get(key)) is None or when > span.latest + SLACK
        }

    def tooEarly(self, ends: Mapping[Key, float]) -> set[Key]:
        """Likewise, which end sooner."""
        return {
            key
            for key, when in ends.items()
            if (span := self._spans.get(key)) and when < span.earliest - SLACK
        }


def name(key: Key) -> str:
    """An opening for reading."""
    return f"{key[0]} for {key[1]}"


def names(keys: Iterable[Key]) -> str:
    """Openings for reading."""
    return ", ".join(map(name, sorted(keys)))
