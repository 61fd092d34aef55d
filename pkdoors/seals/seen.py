"""The sealed knocks that opened something, so that they open nothing again. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256

MAX_SEEN = 65_536
"""Knocks that are remembered, about 10 MB. Only who has a key makes any. When the oldest is
forgotten, all that are as old are refused."""


class Seen:
    """
    @param started: when the daemon started, on a clock that does not jump. What was made before
        may have opened something then. Not the time of day: that may have been wrong at the start.
    @param note: told of each new one, before it opens anything, for the next daemon.
    """

    def __init__(self, started: float, note: Callable[[str, int], None]) -> None:
        self._started = started
        self._forgotten = 0  # the latest stamp of those that are remembered no more
        self._note = note
        self._stamps: OrderedDict[str, int] = OrderedDict()

    def load(self, before: Iterable[tuple[str, int]]) -> None:
        """Learn the names and stamps of those that an earlier daemon saw."""
        for name, stamp in before:
            self._put(name, stamp)

    def isTooOld(self, stamp: int, now: float, today: float) -> bool:
        """
        Whether a knock may have opened something that nobody remembers.

        @param stamp: its time, in milliseconds since 1970.
        @param now: on the clock of C{started}.
        @param today: the time of day, in seconds since 1970.
        """
        return stamp <= self._forgotten or stamp < 1000 * (today - (now - self._started))

    def has(self, publicKey: bytes, nonce: str) -> bool:
        """Whether a knock was seen."""
        return _name(publicKey, nonce) in self._stamps

    def add(self, publicKey: bytes, nonce: str, stamp: int) -> None:
        """Remember one."""
        name = _name(publicKey, nonce)
        self._note(name, stamp)
        self._put(name, stamp)

    def _put(self, name: str, stamp: int) -> None:
        self._stamps[name] = stamp
        if len(self._stamps) > MAX_SEEN:
            _, oldest = self._stamps.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest)


def _name(publicKey: bytes, nonce: str) -> str:
    """32 hex digits."""
    return sha256(publicKey + nonce.encode("ascii")).hexdigest()[:32]
