"""The sealed knocks that opened something, so that they open nothing again. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256

MAX_SEEN = 65_536
"""Knocks that are remembered, about 10 MB. Only who has a key makes any. When the oldest is
forgotten, all that are as old are refused."""


class Seen:
    """
    @ivar floor: what is stamped earlier than this, in milliseconds since 1970, is not to be
        believed: it may have opened something before the daemon started.
    @param started: the time of day at which the daemon started, in seconds since 1970.
    @param note: told of each new one, before it opens anything, for the next daemon.
    """

    def __init__(self, started: float, note: Callable[[str, int], None]) -> None:
        self.floor = int(1000 * started)
        self._note = note
        self._stamps: OrderedDict[str, int] = OrderedDict()

    def load(self, before: Iterable[tuple[str, int]]) -> None:
        """Learn the names and stamps of those that an earlier daemon saw."""
        for name, stamp in before:
            self._put(name, stamp)

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
            self.floor = max(self.floor, oldest + 1)


def _name(publicKey: bytes, nonce: str) -> str:
    """32 hex digits."""
    return sha256(publicKey + nonce.encode("ascii")).hexdigest()[:32]
