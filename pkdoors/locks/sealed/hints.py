"""Find the key of a sealed knock by the knock's tag and hint, or by its certificate. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from pkdoors.knocks.seal import Sealed, Statement
from pkdoors.locks.sealed.certified import Authorities
from pkdoors.locks.sealed.keytable import FEW, KeyTable, Lines, findHinted

RECENT = 500
"""Keys that a search looks at first, which takes 0.2 ms: those that it found last, if their seals
were good. So a client that does not tag its nonces waits for a long search once. Only the owners of
keys can change what is remembered, and each of them only the place of an own key."""

Search = Iterator[list[Lines] | None]
"""Steps of a search: L{None} for each one but the last, which yields what was found."""


class HintIndex:
    """
    The keys of a door, in one or several tables.

    @param onChange: called when they have changed, as tags may be missing.
    """

    def __init__(
        self, tables: Sequence[KeyTable], onChange: Callable[[], None] = lambda: None
    ) -> None:
        self._tables = tables
        self._onChange = onChange
        self._authorities = Authorities()
        self._versions: list[int] = []
        self._isLarge = False
        self._recent: dict[bytes, None] = {}  # the last one is the newest

    def findQuickly(self, statement: Statement) -> list[Lines]:
        """
        Return the keys that a statement may mean, each with all of its lines; of very many keys,
        only those that its tag finds. Two keys share a hint with a chance of one in four thousand
        million.
        """
        self._refresh()
        return self._gather(self._findTagged(statement) if self._isLarge else self._seek(statement))

    def needsSearch(self, statement: Statement) -> bool:
        """Return whether only a long search can find the key of a statement."""
        self._refresh()
        return self._isLarge and not self._findTagged(statement)

    def search(self, statement: Statement) -> Search:
        """
        Search all keys for those that a statement may mean, in steps: first the L{RECENT} ones,
        then all. Another key has the hint of a recent one with a chance of one in ten million; its
        next knock has another hint.
        """
        self._refresh()
        recent = self._gather(findHinted(reversed(self._recent), statement))
        if recent:
            yield recent
            return
        yield None
        found = []
        for table in self._tables:
            for blobs in table.search(statement):
                found += blobs
                yield None
        yield self._gather(found)

    def remember(self, blob: bytes) -> None:
        """Look at a key first from now on, because a search has found it, and its seal was good."""
        self._recent.pop(blob, None)
        self._recent[blob] = None
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def certify(self, sealed: Sealed, today: float) -> Lines:
        """See L{Authorities.certify}."""
        self._refresh()
        keys = self._authorities.certify(sealed, today)
        before = self._versions
        self._check(keys[0].authority)
        return keys if before == self._versions else self._authorities.certify(sealed, today)

    def mayBindElsewhere(self) -> bool:
        """Return whether any key's knock may be bound to another address than its sender's."""
        self._refresh()
        return any(table.bindsElsewhere for table in self._tables)

    def _findTagged(self, statement: Statement) -> list[bytes]:
        return [blob for table in self._tables for blob in table.findTagged(statement)]

    def _seek(self, statement: Statement) -> list[bytes]:
        found = (blobs for table in self._tables for blobs in table.search(statement))
        return [blob for blobs in found for blob in blobs]

    def _refresh(self) -> None:
        """Take over what has changed in the tables."""
        for table in self._tables:
            table.refresh()
        versions = [table.version for table in self._tables]
        if versions == self._versions:
            return
        self._versions = versions
        self._isLarge = sum(len(table.lines) for table in self._tables) > FEW
        lines: dict[bytes, Lines] = {}
        for table in self._tables:
            table.isTagged = table.isTagged or self._isLarge
            for blob, own in table.authorities.items():
                lines[blob] = (*lines.get(blob, ()), *own)
        self._authorities.lines = lines
        self._onChange()

    def _gather(self, blobs: Iterable[bytes]) -> list[Lines]:
        """Return the lines of keys, from all tables that have them now."""
        found = []
        for blob in dict.fromkeys(blobs):
            self._check(blob)
            lines = (table.lines.get(blob, ()) for table in self._tables)
            found.append(tuple(chain.from_iterable(lines)))
        return [lines for lines in found if lines]

    def _check(self, blob: bytes) -> None:
        for table in self._tables:
            table.check(blob)
        self._refresh()
