"""
Tables of figures, for a terminal and as reStructuredText. Pure.

Each line is about one thing, each column about one of the programs that were measured.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One figure.

    @ivar score: for comparisons: more is better; L{None} if it cannot be compared.
    """

    text: str
    score: float | None = None

    def isBetter(self, other: "Cell") -> bool:
        """Return whether it is better, if both can be compared."""
        return self.score is not None and other.score is not None and self.score > other.score


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table, with a cell for each column."""

    title: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """
    @ivar names: the columns.
    @ivar ours: the columns whose losses matter; empty if nothing is compared.
    """

    names: Sequence[str]
    rows: Sequence[Row]
    ours: Sequence[str]

    def losses(self) -> list[str]:
        """Return a line for each figure in which one of our columns loses."""
        return list(self._losses())

    def text(self) -> str:
        """Return the table for a terminal."""
        widths = [max(map(len, column)) for column in zip(*self._lines(), strict=True)]
        return "\n".join(
            "  ".join([title.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]).rstrip()
            for title, *cells in self._lines()
        )

    def rst(self, abouts: Mapping[str, str], facts: Iterable[str]) -> str:
        """
        Return a part of a document in reStructuredText.

        @param abouts: column -> what it is.
        @param facts: where and how it was measured, one fact a line.
        """
        losses = self.losses()
        parts = [
            _bullets(f"*{name}*: {abouts[name]}" for name in self.names),
            ".. list-table::\n   :header-rows: 1\n   :stub-columns: 1",
            "\n".join(self._listed()),
            _bullets(facts),
            "Where pkdoors loses:" if losses else "pkdoors loses nowhere." if self.ours else "",
            _bullets(losses),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _lines(self) -> list[list[str]]:
        return [["", *self.names], *([r.title, *(c.text for c in r.cells)] for r in self.rows)]

    def _listed(self) -> Iterator[str]:
        for line in self._lines():
            for index, cell in enumerate(line):
                yield f"   {'  ' if index else '* '}- {cell}".rstrip()

    def _losses(self) -> Iterator[str]:
        for row in self.rows:
            cells = dict(zip(self.names, row.cells, strict=True))
            others = {name: cell for name, cell in cells.items() if name not in self.ours}
            for own in (name for name in self.names if name in self.ours):
                better = [
                    f"{name} {cell.text}"
                    for name, cell in others.items()
                    if cell.isBetter(cells[own])
                ]
                if better:
                    yield f"{row.title}: {own} {cells[own].text}, {', '.join(better)}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
