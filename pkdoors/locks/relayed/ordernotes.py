"""
The notes that a daemon leaves to the next one, about the orders of a fleet. Pure.

::

    TIME orders 1 INODE CHECK
    TIME ban KEY STAMP CHECK
    TIME unban KEY STAMP CHECK
    TIME order DIGEST CHECK

L{pkdoors.locks.sealed.notelines} explains TIME and CHECK. INODE says in which file they were
written. KEY is a fingerprint, and DIGEST the name of an order that was accepted. A line that is
there is true, even if later ones are lost: a ban counts until a newer order takes it back.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pkdoors.knocks.order import BAN, UNBAN
from pkdoors.locks.relayed.bans import BanNote, OrderNote
from pkdoors.locks.sealed.notelines import LineWriter, NotesLost, splitLines

VERSION = 1

_HEADER = re.compile(rf"orders {VERSION} (?P<inode>[0-9]{{1,20}})")
_BAN = re.compile(r"(ban|unban) (SHA256:[A-Za-z0-9+/]{43}) ([0-9]{1,15})")
_ORDER = re.compile(r"order ([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class FoundOrders:
    """
    The contents of a file of notes about orders.

    @ivar inode: the inode number of its file; 0 if the first line is damaged.
    @ivar notes: those that are good, in order.
    @ivar isWhole: whether nothing is damaged.
    """

    inode: int
    notes: list[OrderNote]
    isWhole: bool


class OrdersWriter(LineWriter):
    """Writes the lines of one file, in order."""

    def header(self, time: float, inode: int) -> str:
        """Return the first line."""
        return self.line(time, f"orders {VERSION} {inode}")

    def notes(self, time: float, notes: Iterable[OrderNote]) -> Iterator[str]:
        """Yield the lines of notes. What an order changes comes before the order itself."""
        for note in notes:
            if note.ban is not None:
                verb = BAN if note.ban.isBanned else UNBAN
                yield self.line(time, f"{verb} {note.ban.key} {note.ban.stamp}")
            if note.digest:
                yield self.line(time, f"order {note.digest}")


def parseOrderNotes(text: str) -> FoundOrders:
    """Read a file of notes, as far as it is good."""
    notes: list[OrderNote] = []
    inode = 0
    try:
        for _, line in splitLines(text):
            if not inode:
                inode = _readHeader(line)
            else:
                notes.append(_readNote(line))
    except NotesLost:
        return FoundOrders(inode, notes, isWhole=False)
    return FoundOrders(inode, notes, isWhole=bool(inode))


def _readHeader(line: str) -> int:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise NotesLost("they are damaged, or of another version")
    return int(match["inode"])


def _readNote(line: str) -> OrderNote:
    if match := _BAN.fullmatch(line):
        return OrderNote("", BanNote(match[2], match[1] == BAN, int(match[3])))
    if match := _ORDER.fullmatch(line):
        return OrderNote(match[1])
    raise NotesLost("they are damaged")
