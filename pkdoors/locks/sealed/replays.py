"""A memory of sealed knocks that opened a door, so that copies open nothing. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from pkdoors.util.durations import formatWait

MAX_SEEN = 4096
"""Knocks that are remembered, under 1 MB. If there are more, the key with the most gives way: its
oldest knock is forgotten, and from then on all knocks of that key that are as old are refused. So
nobody can fill the table at the cost of another key. The keys that one authority certifies share
one share: an authority that certifies many keys of one owner costs only its own.

A copy is refused in any case. What a full table costs is clocks that are behind: with 200 knocks a
second by many keys it holds those of 20 seconds, so a knock whose time is further behind is refused
if its key has knocked since, or, with more keys than the table has room for, in any case. A relayed
knock that names its address opens all the same."""

_GROUP = 16
"""Hex digits of a name that all keys of one authority have in common."""

EVERYBODY = ""
"""In place of a key: all keys."""


class ClosedNote(NamedTuple):
    """
    A closing in a fleet, see L{pkdoors.locks.relayed.tombstones}.

    @ivar stamp: milliseconds since 1970.
    @ivar at: on the clock that does not jump, if this host's operator has closed; L{None} if it was
        a signed closing.
    """

    door: str
    source: str
    key: str
    stamp: int
    at: float | None = None


class FloorNote(NamedTuple):
    """The same: from when on all closings of a key are known, but not those before."""

    key: str
    stamp: int
    at: float | None = None


NO_CLOSINGS = FloorNote("*", 0)
"""Says that the daemon noted no closings, because no door of its was one of a fleet."""


@dataclass(frozen=True, slots=True)
class Notes:
    """
    What the next daemon must know.

    @ivar forgotten: for each key, the latest stamp of the knocks that are no longer remembered.
    @ivar seen: the key, nonce and stamp of each knock that is, the oldest of each key first.
    @ivar closed: what was closed in the fleet.
    @ivar floors: from when on all closings are known.
    """

    forgotten: Mapping[str, int] = field(default_factory=dict)
    seen: Iterable[tuple[str, str, int]] = ()
    closed: Iterable[ClosedNote] = ()
    floors: Iterable[FloorNote] = ()


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
        self._groups: dict[str, _Group] = {}
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
            for group in self._groups.values()
            for key, stamps in group.stamps.items()
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
            f"knock again in {formatWait(left)}"
        )

    def has(self, publicKey: bytes, nonce: str, authority: bytes = b"") -> bool:
        """
        Return whether a knock is remembered.

        @param authority: the public key of the authority that certified the key, if one did.
        """
        name = nameKey(publicKey, authority)
        group = self._groups.get(name[:_GROUP])
        return group is not None and nonce in group.stamps.get(name, ())

    def isForgotten(self, publicKey: bytes, stamp: int, authority: bytes = b"") -> bool:
        """Return whether a knock of this key may be one that is no longer remembered."""
        name = nameKey(publicKey, authority)
        names = (name, _nameGroup(name), EVERYBODY)
        return stamp <= max(self._forgotten.get(name, 0) for name in names)

    def add(self, publicKey: bytes, nonce: str, stamp: int, authority: bytes = b"") -> None:
        """Remember a knock."""
        name = nameKey(publicKey, authority)
        self._note(name, nonce, stamp)
        self._put(name, nonce, stamp)

    def _put(self, key: str, nonce: str, stamp: int) -> None:
        group = self._groups.setdefault(key[:_GROUP], _Group())
        self._count += group.put(key, nonce, stamp)
        if self._count > MAX_SEEN:
            self._forgetOldest(max(self._groups, key=lambda name: self._groups[name].count))

    def _forgetOldest(self, name: str) -> None:
        group = self._groups[name]
        self._forget(*group.takeOldest())
        self._count -= 1
        if not group.count:
            del self._groups[name]

    def _forget(self, key: str, stamp: int) -> None:
        self._forgotten[key] = max(stamp, self._forgotten.get(key, 0))
        if len(self._forgotten) > MAX_SEEN:  # over the years, many keys come and go
            self._forgetMore()

    def _forgetMore(self) -> None:
        """
        Make room for another key whose knocks are forgotten: from now on, one entry stands for more
        keys. These are the keys of one authority, if it has several here, else all keys.
        """
        groups: dict[str, list[str]] = {}
        for key in self._forgotten:
            if key not in (EVERYBODY, _nameGroup(key)):
                groups.setdefault(key[:_GROUP], []).append(key)
        most = max(groups.values(), key=len, default=[])
        several = len(most) > 1
        keys = most if several else [key for key in self._forgotten if key != EVERYBODY]
        oldest = min(keys, key=self._forgotten.__getitem__)
        self._forget(_nameGroup(oldest) if several else EVERYBODY, self._forgotten.pop(oldest))


class _Group:
    """
    The knocks of one key, or of all keys that one authority certifies.

    @ivar stamps: key -> nonce -> stamp.
    @ivar count: how many there are.
    """

    __slots__ = ("count", "stamps")

    def __init__(self) -> None:
        self.stamps: dict[str, dict[str, int]] = {}
        self.count = 0

    def put(self, key: str, nonce: str, stamp: int) -> bool:
        """Remember a knock, and return whether it is a new one."""
        stamps = self.stamps.setdefault(key, {})
        isNew = nonce not in stamps
        stamps[nonce] = stamp
        self.count += isNew
        return isNew

    def takeOldest(self) -> tuple[str, int]:
        """Forget the oldest knock of the key with the most, and return the key and the stamp."""
        key = max(self.stamps, key=lambda key: len(self.stamps[key]))
        stamps = self.stamps[key]
        stamp = stamps.pop(next(iter(stamps)))
        if not stamps:
            del self.stamps[key]
        self.count -= 1
        return key, stamp


def nameKey(publicKey: bytes, authority: bytes = b"") -> str:
    """
    Return the name of a key in the notes, which does not reveal the key: 32 hex digits. With an
    authority, the first half is the authority's.
    """
    name = sha256(publicKey).hexdigest()[: 2 * _GROUP]
    if authority:
        return sha256(authority).hexdigest()[:_GROUP] + name[:_GROUP]
    return name


def _nameGroup(name: str) -> str:
    """Return the name that stands for all keys of an authority."""
    return name[:_GROUP] + "0" * _GROUP
