"""What another program's configuration means for doors, and what became of its keys. Pure."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.model.ports import PortRange
from pkdoors.util.durations import formatDuration

MAX_DOORS = 100
"""The most doors of one file; each gets a sequence of its own."""
MAX_TEXT = 1 << 18
"""The most characters of such a file."""
MAX_OPEN_FOR = 3600.0
"""Seconds that a knock can ask for at most, as for a door that says nothing of it."""
_MAX_NAME = 32
LONGEST = 30 * 24 * 3600
"""Seconds that a door can be open at most."""

Fate = tuple[str, str]
"""A key, and what became of it."""


class ForeignDoor(NamedTuple):
    """
    A door as another program has it. Its secrets are not here: a new door gets new ones.

    @ivar ports: the ports that it protects; L{None} if only the client named them.
    @ivar fields: what else the door gets, by the fields of L{pkdoors.model.doors.Door}.
    """

    name: str
    ports: tuple[PortRange, ...] | None
    fields: dict[str, object]


class Foreign(NamedTuple):
    """
    A whole configuration of another program.

    @ivar fates: what became of each key, in the order of the file.
    """

    doors: tuple[ForeignDoor, ...]
    fates: list[Fate]

    def describe(self) -> list[str]:
        """Return a table of what became of each key. No value: some are secrets."""
        width = max((len(key) for key, _ in self.fates), default=0)
        return [f"{key:{width}}  {fate}" for key, fate in self.fates]


def makeName(text: str, used: Iterable[str]) -> str:
    """
    Return a name for a door like a text that another program allows as a name.

    @param used: the names of other doors.
    """
    base = re.sub("[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    base = re.sub("^[^a-z]+", "", base)[:_MAX_NAME] or "door"
    name, number, taken = base, 1, {*used}
    while name in taken:
        number += 1
        end = f"-{number}"
        name = base[: _MAX_NAME - len(end)] + end
    return name


def readSeconds(text: str, most: int = LONGEST) -> float | None:
    """Return a time that another program reads with C{atoi}; L{None} if it means nothing."""
    match = re.match(r"\s*([0-9]{1,9})", text)
    seconds = int(match[1]) if match else 0
    return float(min(seconds, most)) if seconds else None


def describeSeconds(text: str, key: str, most: int = LONGEST) -> str:
    """
    Return what became of a time, see L{readSeconds}.

    @param key: the key that has it now.
    """
    if not readSeconds(text, most):
        return "not taken: it is not a time"
    if readSeconds(text, 10**9) != readSeconds(text, most):
        return f"is now {key}, but {formatDuration(most)}, the most that there is"
    return f"is now {key}"


def timesFor(openFor: float, maxOpenFor: float = MAX_OPEN_FOR) -> dict[str, object]:
    """
    Return the fields of a door that is open for some time.

    @param maxOpenFor: the longest time that a knock can ask for, unless that is shorter.
    """
    return {"openFor": openFor, "maxOpenFor": max(openFor, maxOpenFor)}


def checkText(text: str) -> str:
    """
    Return a text unchanged.

    @raise BadValue: it is too long to be such a file.
    """
    if len(text) > MAX_TEXT:
        raise BadValue(f"it has more than {MAX_TEXT} characters")
    return text
