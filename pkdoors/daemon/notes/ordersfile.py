"""A file of notes: the orders of a fleet, so that losing its engine never takes a ban back."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from twisted.logger import Logger

from pkdoors.daemon.notes.notesfile import NotesFile
from pkdoors.locks.relayed.bans import MAX_BANS, MAX_ORDERS, Bans, OrderNote
from pkdoors.locks.relayed.ordernotes import OrdersWriter, parseOrderNotes
from pkdoors.locks.sealed.notelines import NotesLost
from pkdoors.util.trouble import Trouble

MAX_LINES = 2 * MAX_ORDERS
"""Lines that are added before the file is written again from the beginning."""
MAX_BYTES = 128 * (MAX_BANS + MAX_ORDERS + 2 * MAX_LINES)
"""Of the file: more than that many lines need."""


def ordersPath(seenPath: Path) -> Path:
    """Return the file where a daemon notes orders, beside that of the knocks that it saw."""
    return seenPath.with_suffix(".orders")


class OrdersFile:
    """
    Has a line for each order that was accepted, and one for each key whose ban, or end of one, is
    known. Each order has reached the disk before it counts.

    Lines that were read count, even if others are lost: then the fleet's engine may have these, and
    the log says so. A file that lacks something is never emptied.

    @param path: in a folder that only root, or the daemon's own user, can write.
    @param timeOfDay: seconds since 1970.
    """

    _log = Logger()

    def __init__(self, path: Path, timeOfDay: Callable[[], float] = time.time) -> None:
        self._path = path
        self._timeOfDay = timeOfDay
        self._bans = Bans()
        self._notes = NotesFile(path, path.with_name(f"{path.name}.lock"))
        self._writer = OrdersWriter()
        self._added = 0
        self._failing = Trouble()

    def start(self, bans: Bans) -> None:
        """
        Learn which orders earlier daemons accepted, and begin to write. This raises nothing; if
        something is wrong, one line says so.
        """
        self._bans = bans
        trouble = self._attempt(self._notes.takeLock)
        trouble = self._attempt(self._learn) or trouble
        if self._notes.isLocked:
            if trouble:
                self._setAside()
            self._replace()
        if trouble:
            self._log.warn(
                "the notes of the fleet's orders in {path} may lack some ({trouble}): {count} "
                "banned keys are known, others when the fleet's engine has been read",
                path=self._path,
                trouble=trouble,
                count=len(bans),
            )

    def _attempt(self, work: Callable[[], None]) -> str:
        """Do some work. Return what is wrong; empty if nothing is."""
        try:
            work()
        except FileNotFoundError:
            return ""  # the first start in a fleet
        except OSError as error:
            return f"they cannot be opened: {error.strerror}"
        except NotesLost as error:
            return str(error)
        return ""

    def _learn(self) -> None:
        """
        Learn the notes in the file, as far as they are good.

        @raise OSError: there is no file.
        @raise NotesLost: they are not whole, or cannot be trusted at all.
        """
        text, status = self._notes.read(MAX_BYTES)
        found = parseOrderNotes(text)
        self._bans.learn(found.notes)
        if not found.isWhole:
            raise NotesLost("they are damaged")
        if found.inode != status.st_ino:
            raise NotesLost("somebody put a copy in their place")

    def _setAside(self) -> None:
        """Keep a file that cannot be read as a whole: it may be all that there is."""
        with suppress(OSError):
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))

    def note(self, note: OrderNote) -> None:
        """Note an order, before it counts. If that fails, it counts all the same."""
        if not self._notes.isLocked:
            return
        self._added += 1
        if (self._notes.isOpen and self._added <= MAX_LINES) or self._replace():
            self._append(self._writer.notes(self._timeOfDay(), [note]))

    def close(self) -> None:
        """Write nothing more."""
        self._notes.release()

    def _append(self, lines: Iterable[str]) -> None:
        try:
            self._notes.append(lines)
            self._notes.sync()
        except OSError as error:
            self._notes.drop()  # a part of a line may be there, so the next one goes to a new file
            self._complain(error)
        else:
            self._failing.end()

    def _replace(self) -> bool:
        """Write the whole file again. Return whether that succeeded; else the old one stays."""
        self._writer = OrdersWriter()
        try:
            self._notes.replace(self._makeLines, isLasting=True)
        except OSError as error:
            self._notes.drop()
            self._complain(error)
            return False
        self._added = 0
        return True

    def _makeLines(self, inode: int) -> Iterator[str]:
        now = self._timeOfDay()
        yield self._writer.header(now, inode)
        yield from self._writer.notes(now, self._bans.makeNotes())

    def _complain(self, error: OSError) -> None:
        """Warn once, however long it lasts."""
        if self._failing.begin("it cannot be written"):
            self._log.warn(
                "cannot write {path} ({reason}): the fleet's orders count now, but after a restart "
                "of the daemon only when the fleet's engine has been read",
                path=self._path,
                reason=error.strerror,
            )
