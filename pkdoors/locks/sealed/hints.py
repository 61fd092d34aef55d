"""Find the key of a sealed knock by the knock's tag and hint. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from pkdoors.knocks.seal import Statement
from pkdoors.locks.sealed.keytable import KeyTable, Lines

Search = Iterator[list[Lines] | None]
"""Steps of a search: L{None} for each one but the last, which yields what was found."""


class HintIndex:
    """
    The keys of a door, in one or several tables.
    """

    def __init__(self, tables: Sequence[KeyTable]) -> None:
        self._tables = tables

    def find(self, statement: Statement) -> list[Lines]:
        """Return the keys that a statement may mean, each with all of its lines, at any cost."""
        return self.findQuickly(statement) or [*self.search(statement)][-1] or []

    def findQuickly(self, statement: Statement) -> list[Lines]:
        """
        Return the keys that a statement may mean, if they have an index, or are few. Two keys share
        a hint with a chance of one in four thousand million.
        """
        self._refresh()
        return self._gather(
            blob
            for table in self._tables
            for blob in (
                table.findTagged(statement)
                if table.isLarge
                else (blob for blobs in table.search(statement) for blob in blobs)
            )
        )

    def needsSearch(self, statement: Statement) -> bool:
        """Return whether only a long search can find the key of a statement."""
        return any(table.isLarge for table in self._tables) and not self.findQuickly(statement)

    def search(self, statement: Statement) -> Search:
        """Search all keys for those that a statement may mean, in steps."""
        self._refresh()
        found = []
        for table in self._tables:
            for blobs in table.search(statement):
                found += blobs
                yield None
        yield self._gather(found)

    def mayBindElsewhere(self) -> bool:
        """Return whether any key's knock may be bound to another address than its sender's."""
        self._refresh()
        return any(table.bindsElsewhere for table in self._tables)

    def _refresh(self) -> None:
        for table in self._tables:
            table.refresh()

    def _gather(self, blobs: Iterable[bytes]) -> list[Lines]:
        """Return the lines of keys, from all tables that have them now."""
        gathered = (
            tuple(line for table in self._tables for line in table.confirm(blob))
            for blob in dict.fromkeys(blobs)
        )
        return [lines for lines in gathered if lines]
