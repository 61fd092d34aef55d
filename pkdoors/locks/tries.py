"""
What clients have tried at the doors and not finished, for the log. Pure.

Nothing here decides anything: a lock works the same without it. Anybody can begin to knock, under
as many addresses as he likes, so there is room for a few tries only. Those that came further have
room of their own: a flood on a first port hides no client that knows more.
"""

from collections import OrderedDict
from dataclasses import dataclass

from pkdoors.model.doors import Door
from pkdoors.util.durations import formatDuration

MAX_TRIES = 1024
"""Tries with at most one right knock that are remembered, and as many that came further."""

MAX_TOLD = 8
"""Doors that have a port in common, at which a knock that fits none of them counts as a try: its
sender meant one of them, and there may be a thousand."""
SAMPLE = 8
"""If there is no room, one beginner of so many takes the place of an older one."""

Key = tuple[str, str]
"""The place of a client, and the name of a door."""


@dataclass(slots=True)
class Try:
    """
    A try to open a door.

    @ivar right: the most knocks that came in order; at a sealed door, the most ports that one knock
        has reached.
    @ivar others: the knocks that fitted nothing.
    """

    door: Door
    source: str
    begun: float
    ends: float
    right: int = 0
    others: int = 0

    def describe(self) -> str:
        """Return how far it came, without saying on which ports."""
        ports = self.door.sequence.ports
        within = f"within {formatDuration(self.door.knockTimeout)}"
        if self.door.authorizedKeys:
            if not self.right:
                came = "1 plain knock" if self.others == 1 else f"{self.others} plain knocks"
                return f"{came} came {within}, and only sealed knocks open this door"
            return f"a sealed knock reached {self.right} of {len(set(ports))} ports {within}"
        if self.right and self.others:
            came = f"{self.right} of {len(ports)} knocks came in order {within}"
            return f"{came}, and {self.others} out of order"
        if self.right:
            return f"{self.right} of {len(ports)} knocks came {within}"
        came = "1 knock" if self.others == 1 else f"{self.others} knocks"
        return f"{came} came out of order {within}, and none of them was the first"


class Tries:
    """
    The tries that are not finished. A client has one for each door at a time. It begins with a
    knock that the door's lock hears, and ends after C{knockTimeout}, but not while a sequence is
    half done; after twice that time in any case.

    @param limit: the most of each kind that are remembered; then the oldest gives way.
    """

    def __init__(self, limit: int = MAX_TRIES) -> None:
        self._limit = limit
        self._begun: OrderedDict[Key, Try] = OrderedDict()
        self._further: OrderedDict[Key, Try] = OrderedDict()
        self._lost = self._beginners = 0

    def __len__(self) -> int:
        """Return how many tries are remembered."""
        return len(self._begun) + len(self._further)

    def note(
        self, door: Door, source: str, place: str, now: float, right: int = 0, ends: float = 0.0
    ) -> None:
        """
        Note a knock.

        @param place: what stands for the client; see L{pkdoors.model.networks.placeOf}.
        @param right: the knocks that have come in order; 0 if this one is out of order.
        @param ends: when a sequence that is half done expires.
        """
        key = (place, door.name)
        found = self._begun.get(key) or self._further.get(key)
        if found is None:
            if right <= 1 and self._isLeftOut():
                return
            found = Try(door, source, now, now + door.knockTimeout)
            self._add(self._further if right > 1 else self._begun, key, found)
        elif right > 1 >= found.right:
            self._add(self._further, key, self._begun.pop(key))
        if right:
            found.right = max(found.right, right)
            found.ends = min(max(found.ends, ends), found.begun + 2 * door.knockTimeout)
        else:
            found.others += 1

    def _isLeftOut(self) -> bool:
        """Return whether a beginner is only counted: a flood of them must be dismissed quickly."""
        if len(self._begun) < self._limit:
            return False
        self._beginners += 1
        if self._beginners % SAMPLE == 0:
            return False
        self._lost += 1
        return True

    def _add(self, table: OrderedDict[Key, Try], key: Key, new: Try) -> None:
        if len(table) >= self._limit:
            table.popitem(last=False)
            self._lost += 1
        table[key] = new

    def forget(self, place: str, door: Door) -> None:
        """End a try that was successful, or that was refused, so that it has a line already."""
        key = (place, door.name)
        self._begun.pop(key, None)
        self._further.pop(key, None)

    def takeEnded(self, now: float) -> tuple[list[Try], int]:
        """
        Return the tries that have ended without success, and how many others had to give way since
        the last call.
        """
        ended: list[Try] = []
        for table in (self._further, self._begun):
            keys = [key for key, found in table.items() if now >= found.ends]
            ended += [table.pop(key) for key in keys]
        lost, self._lost = self._lost, 0
        return ended, lost
