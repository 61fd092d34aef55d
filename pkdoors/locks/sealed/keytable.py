"""
The keys of one file, one folder of files or one command, found by what a sealed knock says. Pure.

The hint of a knock is a hash of its key and its nonce, so no index can find it: each key would have
to be hashed for each knock. With ten thousand keys that takes 5 ms. So the nonce of a knock begins
with a tag, a hash of the key and the hour, for which there is an index. It only saves time: if it
is not complete yet, or a client makes its nonces otherwise, L{KeyTable.search} finds the key.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from pkdoors.knocks.seal import HINT_DIGITS, TAG_DIGITS, Statement, epochOf, hintOf, tagOf
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey

FEW = 256
"""Keys of a door that are searched for each knock, which takes 0.1 ms. Only more than that have an
index of tags."""
AT_ONCE = 500
"""Keys that are hashed in one step."""
AHEAD = 600.0
"""Seconds before an hour begins in which the tags for it are made."""

Lines = tuple[AuthorizedKey, ...]
"""The lines that have the same key."""


class KeyTable:
    """
    An index of keys. Doors that have the same file share its table.

    @param keys: returns the lines; the same list while nothing changes.
    @param confirm: called with each line before it counts, to look whether it has changed.
    @ivar version: changes with the keys.
    @ivar lines: the lines of each key, by its public key blob.
    @ivar authorities: the lines of each authority, likewise.
    @ivar isTagged: whether the keys have tags: not if they are so few that no door needs any.
    @ivar bindsElsewhere: whether any key's knock may be bound to another address than its sender's.
    """

    def __init__(
        self,
        keys: Callable[[], Sequence[AuthorizedKey]],
        confirm: Callable[[AuthorizedKey], None] = lambda key: None,
    ) -> None:
        self._keys = keys
        self._confirm = confirm
        self._known: Sequence[AuthorizedKey] | None = None
        self.version = 0
        self.lines: dict[bytes, Lines] = {}
        self.authorities: dict[bytes, Lines] = {}
        self.bindsElsewhere = self.isTagged = False
        self._tagged: list[bytes] = []  # have tags, or will have; also some former keys
        self._tags: dict[int, _Tags] = {}  # by hour

    def refresh(self) -> None:
        """Take over the lines if they have changed."""
        keys = self._keys()
        if keys is self._known:
            return
        self._known = keys
        self.version += 1
        before, self.lines = self.lines, groupByKey(key for key in keys if not key.isAuthority)
        self.authorities = groupByKey(key for key in keys if key.isAuthority)
        self.bindsElsewhere = any(key.isForOthers or key.hasPrefix for key in keys)
        if len(self._tagged) > 2 * len(self.lines):
            self._tagged, self._tags, before = [], {}, {}
        self._tagged += [blob for blob in self.lines if blob not in before]

    def findTagged(self, statement: Statement) -> list[bytes]:
        """Return the keys that a statement means, as far as the tag in its nonce finds them."""
        tags = self._tags.get(epochOf(statement.stamp))
        blobs = () if tags is None else tags.find(statement.nonce)
        return [blob for blob in blobs if hintOf(blob, statement.nonce) == statement.hint]

    def search(self, statement: Statement) -> Iterator[list[bytes]]:
        """
        Search all keys for those that a statement means. Each step takes 0.2 ms, and yields those
        that it finds.
        """
        blobs = list(self.lines)
        for start in range(0, len(blobs), AT_ONCE):
            yield findHinted(blobs[start : start + AT_ONCE], statement)

    def check(self, blob: bytes) -> None:
        """Look whether the lines of a key have changed, before they count."""
        for line in (*self.lines.get(blob, ()), *self.authorities.get(blob, ())):
            self._confirm(line)
        self.refresh()

    def hasWork(self, today: float, skew: float) -> bool:
        """
        Return whether tags are missing for knocks of this time of day.

        @param skew: how many seconds a stamp may be off.
        """
        return self.isTagged and any(
            epoch not in self._tags or self._tags[epoch].count < len(self._tagged)
            for epoch in _epochsAround(today, skew)
        )

    def work(self, today: float, skew: float) -> Iterator[None]:
        """Make the tags that are missing, and forget those of hours that are over, in steps."""
        needed = _epochsAround(today, skew)
        for epoch in [epoch for epoch in self._tags if epoch not in needed]:
            del self._tags[epoch]
        for epoch in needed:
            tags = self._tags.setdefault(epoch, _Tags(epoch))
            while tags.count < len(self._tagged):
                tags.add(self._tagged[tags.count : tags.count + AT_ONCE])
                yield


class _Tags:
    """
    The tags of keys for one hour.

    @ivar count: the number of keys.
    """

    def __init__(self, epoch: int) -> None:
        self.count = 0
        self._epoch = epoch
        self._blobs: dict[str, tuple[bytes, ...]] = {}

    def add(self, blobs: Sequence[bytes]) -> None:
        """Add some keys."""
        for blob in blobs:
            tag = tagOf(blob, self._epoch)
            self._blobs[tag] = (*self._blobs.get(tag, ()), blob)
        self.count += len(blobs)

    def find(self, nonce: str) -> tuple[bytes, ...]:
        """Return the keys whose tag a nonce has; some nonces have one by chance."""
        return self._blobs.get(nonce[:TAG_DIGITS], ())


def _epochsAround(today: float, skew: float) -> range:
    first, last = (epochOf(int(1000 * at)) for at in (today - skew, today + max(skew, AHEAD)))
    return range(first, last + 1)


def findHinted(blobs: Iterable[bytes], statement: Statement) -> list[bytes]:
    """Return those of some keys whose hint is in a statement. Each takes 0.4 us."""
    nonce, hint = statement.nonce.encode(), statement.hint[:HINT_DIGITS]
    return [blob for blob in blobs if sha256(blob + nonce).hexdigest()[:HINT_DIGITS] == hint]


def groupByKey(keys: Iterable[AuthorizedKey]) -> dict[bytes, Lines]:
    """Return the lines of each key, by its public key blob."""
    lines: dict[bytes, Lines] = {}
    for key in keys:
        lines[key.blob] = (*lines.get(key.blob, ()), key)
    return lines
