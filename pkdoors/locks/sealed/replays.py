"""A memory of sealed knocks that opened a door, so that copies open nothing. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil

MAX_SEEN = 4096
"""Knocks that are remembered, under 1 MB. If there are more, the key with the most gives way: its
oldest knock is forgotten, and from then on all knocks of that key that are as old are refused. So
nobody can fill the table at the cost of another key."""

EVERYBODY = ""
"""In place of a key: all keys."""


@dataclass(frozen=True, slots=True)
class Notes:
    """
    What the next daemon must know.

    @ivar forgotten: for each key, the latest stamp of the knocks that are no longer remembered.
    @ivar seen: the key, nonce and stamp of each knock that is, the oldest of each key first.
    """

    forgotten: Mapping[str, int] = field(default_factory=dict)
    seen: Iterable[tuple[str, str, int]] = ()


class ReplayCache:
    """
    Remembers the knocks that opened a door.

    @param started: when the daemon started, on a clock that does not jump; the time of day may have
        been wrong at the start. A knock made before may have opened a door then.
    @param note: called with the key, nonce and stamp of each new knock, before it opens anything,
        to leave a note to the next daemon.
    """

    def __init__(self, started: float, note: Callable[[str, str, int], None]) -> None:
        self._started = started
        self._since: float | None = None  # from when on all knocks are known; None if all are
        self._note = note
        self._forgotten: dict[str, int] = {}
        self._stamps: dict[str, dict[str, int]] = {}  # key -> nonce -> stamp
        self._count = 0

    def learn(self, notes: Notes) -> None:
        """Take over the notes of an earlier daemon."""
        for key, stamp in notes.forgotten.items():
            self._forget(key, stamp)
        for key, nonce, stamp in notes.seen:
            self._put(key, nonce, stamp)

    def distrust(self, since: float) -> None:
        """
        Refuse all knocks that may have opened a door before some time, because these are not known.
        An earlier daemon accepted stamps up to the clock skew ahead of its end.

        @param since: that time, on the clock of C{started}.
        """
        self._since = since

    def makeNotes(self) -> Notes:
        """Return all that the next daemon must know."""
        seen = [
            (key, nonce, stamp)
            for key, stamps in self._stamps.items()
            for nonce, stamp in stamps.items()
        ]
        return Notes(dict(self._forgotten), seen)

    def findRefusal(self, stamp: int, now: float, today: float, skew: float) -> str:
        """
        Return why a knock is refused that may have opened a door without being remembered; empty
        if it cannot have.

        @param stamp: the knock's time, in milliseconds since 1970.
        @param now: on the clock of C{started}.
        @param today: the time of day, in seconds since 1970.
        @param skew: how many seconds a stamp may be ahead.
        """
        if stamp < 1000 * (today - (now - self._started)):
            return "it is older than this daemon: knock again"
        if self._since is None:
            return ""
        left = today - (now - self._since) + skew - stamp / 1000
        if left < 0:
            return ""
        return (
            "the notes about earlier knocks are lost, so this one may be a copy: "
            f"knock again in {ceil(left)} s"
        )

    def has(self, publicKey: bytes, nonce: str) -> bool:
        """Return whether a knock is remembered."""
        return nonce in self._stamps.get(hashKey(publicKey), ())

    def isForgotten(self, publicKey: bytes, stamp: int) -> bool:
        """Return whether a knock of this key may be one that is no longer remembered."""
        forgotten = self._forgotten.get
        return stamp <= max(forgotten(hashKey(publicKey), 0), forgotten(EVERYBODY, 0))

    def add(self, publicKey: bytes, nonce: str, stamp: int) -> None:
        """Remember a knock."""
        key = hashKey(publicKey)
        self._note(key, nonce, stamp)
        self._put(key, nonce, stamp)

    def _put(self, key: str, nonce: str, stamp: int) -> None:
        stamps = self._stamps.setdefault(key, {})
        self._count += nonce not in stamps
        stamps[nonce] = stamp
        if self._count > MAX_SEEN:
            self._forgetOldest(max(self._stamps, key=lambda key: len(self._stamps[key])))

    def _forgetOldest(self, key: str) -> None:
        stamps = self._stamps[key]
        self._forget(key, stamps.pop(next(iter(stamps))))
        self._count -= 1
        if not stamps:
            del self._stamps[key]

    def _forget(self, key: str, stamp: int) -> None:
        self._forgotten[key] = max(stamp, self._forgotten.get(key, 0))
        if len(self._forgotten) > MAX_SEEN:  # over the years, many keys come and go
            oldest = min(self._forgotten, key=lambda key: (key == EVERYBODY, self._forgotten[key]))
            self._forget(EVERYBODY, self._forgotten.pop(oldest))


def hashKey(publicKey: bytes) -> str:
    """Return the name of a key in the notes, which does not reveal the key: 32 hex digits."""
    return sha256(publicKey).hexdigest()[:32]
