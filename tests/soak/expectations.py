"""Which openings there should be, known only from what the soak itself has done. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

Key = tuple[str, str]
"""A door's name, and an address."""

SLACK = 1.5
"""Seconds by which the daemon may be late: these machines are shared."""

TAKEN_OVER = 1.1
"""Seconds by which an opening may end earlier for each new daemon: nft reports whole seconds."""


KNOCK_TIMEOUT, PENALTY = 30, 3
"""Seconds, for all gates."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A door of the soak, as the file describes it."""

    name: str
    port: int
    sequence: tuple[int, ...]
    openFor: int
    maxOpenFor: int
    keys: str = ""

    def text(self) -> str:
        """Return its table in the file."""
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
        """Return the seconds that a knock gets if it asks for so many."""
        return min(asked, self.maxOpenFor) if asked else self.openFor


@dataclass(frozen=True, slots=True)
class Span:
    """
    The two moments between which an opening ends. It must exist before the first one, and must not
    exist after the second.
    """

    earliest: float
    latest: float


class Expectations:
    """Which openings must exist, and which are allowed to. All times are of one clock."""

    def __init__(self) -> None:
        self._spans: dict[Key, Span] = {}

    def noteOpened(self, key: Key, began: float, ended: float, seconds: float) -> None:
        """
        Note that a client knocked, or that the operator opened for it. A client that is already in
        loses nothing.

        @param began: a moment before the opening began.
        @param ended: a moment after that.
        """
        old = self._spans.get(key, Span(0, 0))
        new = Span(began + seconds, ended + seconds)
        self._spans[key] = Span(max(old.earliest, new.earliest), max(old.latest, new.latest))

    def noteDoubtful(self, key: Key, ended: float, seconds: float) -> None:
        """Note that a knock may have opened, or not."""
        self.noteOpened(key, -seconds, ended, seconds)

    def noteClosed(self, keys: Iterable[Key]) -> None:
        """Note that some openings ended."""
        for key in list(keys):
            self._spans.pop(key, None)

    def noteAllClosed(self) -> None:
        """Note that all openings ended."""
        self._spans.clear()

    def noteShortened(self, door: str, began: float, ended: float, most: float) -> None:
        """Note that a door allows at most so many seconds from now on."""
        for key, span in self._spans.items():
            if key[0] == door:
                earliest, latest = min(span.earliest, began + most), min(span.latest, ended + most)
                self._spans[key] = Span(earliest, latest)

    def noteTakenOver(self) -> None:
        """Note that another daemon read the openings from the kernel."""
        for key, span in self._spans.items():
            self._spans[key] = replace(span, earliest=span.earliest - TAKEN_OVER)

    def keys(self) -> list[Key]:
        """Return all openings that are not known to have ended."""
        return list(self._spans)

    def required(self, now: float) -> set[Key]:
        """Return the openings that must exist now, and had to exist all the time until now."""
        return {key for key, span in self._spans.items() if now < span.earliest - SLACK}

    def allowed(self, now: float) -> set[Key]:
        """Return the openings that are allowed now."""
        return {key for key, span in self._spans.items() if now <= span.latest + SLACK}

    def nextEnd(self, now: float) -> float:
        """Return when the next opening must be over; 0 if there is none."""
        return min((span.latest for span in self._spans.values() if span.latest > now), default=0)

    def findLate(self, ends: Mapping[Key, float]) -> set[Key]:
        """
        Return the openings that end too late, or that should not exist.

        @param ends: when each of them ends, according to the kernel or the daemon.
        """
        return {
            key
            for key, when in ends.items()
            if (span := self._spans.get(key)) is None or when > span.latest + SLACK
        }

    def findEarly(self, ends: Mapping[Key, float]) -> set[Key]:
        """Return the openings that end too early."""
        return {
            key
            for key, when in ends.items()
            if (span := self._spans.get(key)) and when < span.earliest - SLACK
        }


def formatKey(key: Key) -> str:
    """Return an opening for people."""
    return f"{key[0]} for {key[1]}"


def formatKeys(keys: Iterable[Key]) -> str:
    """Return openings for people."""
    return ", ".join(map(formatKey, sorted(keys)))
