"""The sealed knocks that opened something, so that they open nothing again. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil

MAX_SEEN = 4096
"""Knocks that are remembered, under 1 MB. If there are more, the key with the most gives way: its
oldest is forgotten, and from then on all knocks of that key that are as old are refused. Nobody can
fill the table at the cost of another key."""

EVERYBODY = ""
"""In place of a key: what is forgotten of all keys."""


@dataclass(frozen=True, slots=True)
class Notes:
    """
    What one daemon has to tell the next.

    @ivar forgotten: for each key, the latest stamp of what is no longer remembered of it.
    @ivar seen: key, nonce and stamp of what is, the oldest of each key first.
    """

    forgotten: Mapping[str, int] = field(default_factory=dict)
    seen: Iterable[tuple[str, str, int]] = ()


class ReplayCache:
    """
    @param started: when the daemon started, on a clock that does not jump. What was made before
        may have opened something then. Not the time of day: that may have been wrong at the start.
    @param note: told key, nonce and stamp of each new one, before it opens anything, for the next
        daemon.
    """

    def __init__(self, started: float, note: Callable[[str, str, int], None]) -> None:
        self._started = started
        self._since: float | None = None  # from when on we know all; None if nothing is missing
        self._note = note
        self._forgotten: dict[str, int] = {}
        self._stamps: dict[str, dict[str, int]] = {}  # key -> nonce -> stamp
        self._count = 0

    def learn(self, notes: Notes) -> None:
        """Learn what an earlier daemon knew."""
        for key, stamp in notes.forgotten.items():
            self._forget(key, stamp)
        for key, nonce, stamp in notes.seen:
            self._put(key, nonce, stamp)

    def distrust(self, since: float) -> None:
        """
        What opened something before a moment is not known: refuse whatever may have. An earlier
        daemon took knocks with stamps up to the clock skew ahead of its end.

        @param since: the moment, on the clock of C{started}.
        """
        self._since = since

    def notes(self) -> Notes:
        """Return all that the next daemon has to know."""
        seen = [
            (key, nonce, stamp)
            for key, stamps in self._stamps.items()
            for nonce, stamp in stamps.items()
        ]
        return Notes(dict(self._forgotten), seen)

    def refusal(self, stamp: int, now: float, today: float, skew: float) -> str:
        """
        Why a knock is refused that may have opened something that nobody remembers; else empty.

        @param stamp: its time, in milliseconds since 1970.
        @param now: on the clock of C{started}.
        @param today: the time of day, in seconds since 1970.
        @param skew: seconds by which a stamp may be ahead.
        """
        if stamp < 1000 * (today - (now - self._started)):
            return "it is older than this daemon: a new one will do"
        if self._since is None:
            return ""
        left = today - (now - self._since) + skew - stamp / 1000
        if left < 0:
            return ""
        return (
            "the notes of what knocks opened before the start are lost, so this one may be a copy: "
            f"a new one will do in {ceil(left)} s"
        )

    def has(self, publicKey: bytes, nonce: str) -> bool:
        """Whether a knock was seen."""
        return nonce in self._stamps.get(hashKey(publicKey), ())

    def isForgotten(self, publicKey: bytes, stamp: int) -> bool:
        """Whether a knock of this key may be one that is no longer remembered."""
        key = hashKey(publicKey)
        return stamp <= max(self._forgotten.get(each, 0) for each in (key, EVERYBODY))

    def add(self, publicKey: bytes, nonce: str, stamp: int) -> None:
        """Remember one."""
        key = hashKey(publicKey)
        self._note(key, nonce, stamp)
        self._put(key, nonce, stamp)

    def _put(self, key: str, nonce: str, stamp: int) -> None:
        stamps = self._stamps.setdefault(key, {})
        self._count += nonce not in stamps
        stamps[nonce] = stamp
        if self._count > MAX_SEEN:
            self._giveWay(max(self._stamps, key=lambda each: len(self._stamps[each])))

    def _giveWay(self, key: str) -> None:
        stamps = self._stamps[key]
        self._forget(key, stamps.pop(next(iter(stamps))))
        self._count -= 1
        if not stamps:
            del self._stamps[key]

    def _forget(self, key: str, stamp: int) -> None:
        self._forgotten[key] = max(stamp, self._forgotten.get(key, 0))
        if len(self._forgotten) > MAX_SEEN:  # keys come and go, over the years
            oldest = min(
                self._forgotten, key=lambda each: (each == EVERYBODY, self._forgotten[each])
            )
            self._forget(EVERYBODY, self._forgotten.pop(oldest))


def hashKey(publicKey: bytes) -> str:
    """Return what a key is called in the notes, which do not tell it: 32 hex digits."""
    return sha256(publicKey).hexdigest()[:32]
