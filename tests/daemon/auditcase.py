"""A folder for the audit file, and a disk."""

import errno
import json
import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.audit import AuditFile
from pkdoors.events.event import OPENED, Event
from pkdoors.model.principal import Principal
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log

ANNA = Principal("anna@laptop", "SHA256:abc")


def event(kind: str = OPENED, source: str = "192.0.2.7", **details: Any) -> Event:
    """Return an event at a door."""
    details.setdefault("door", makeDoor())
    return Event(kind, 1_795_420_800.0, source=source, **details)


class Disk:
    """
    Writes like C{write(2)}, as long as there is room.

    @ivar room: in bytes; what is only partly written fills it up.
    """

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room

    def write(self, file: int, data: bytes) -> int:
        """Write as much as there is room for."""
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(file, data[: self.room])
        self.room -= written
        return written


class AuditTestCase(SynchronousTestCase):
    """A folder for the file."""

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.path = Path(self.mktemp()).absolute() / "pkdoors" / "audit.jsonl"
        self.disk = Disk()
        self.audit = AuditFile(write=self.disk.write)
        self.addCleanup(self.audit.close)

    def use(self, path: Path | None = None) -> None:
        """Begin to write."""
        self.audit.use(str(path or self.path))

    def sources(self, path: Path | None = None) -> list[str]:
        """Return the source of each line; every line must be JSON."""
        lines = (path or self.path).read_text().splitlines(keepends=True)
        self.assertEqual([], [line for line in lines if not line.endswith("\n")])
        return [json.loads(line)["source"] for line in lines]

    def hear(self, *sources: str) -> None:
        """Hear of openings for these sources."""
        for source in sources:
            self.audit.hear(event(source=source))


def refuse(*arguments: object) -> None:
    """The error of a file that can only be appended to."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
