"""How many openings there may be. Pure."""

from collections import Counter

from pkdoors.locks.lock import Request
from pkdoors.model.principal import NOBODY
from pkdoors.util.ratelimits import Budget

MAX_OPENINGS = 4096
"""Openings of one door at a time, about 15 MB: this bounds the memory, far above honest use. Only a
client that knows a sequence can come near it, by spoofing addresses, and it keeps nobody out of
another door."""

MAX_OPENED = 1500
"""Openings that plain knocks on one door may begin in a second, and as many that they may prolong:
each takes 0.2 ms, and clients that knock on another door, or with a seal, need the rest of the
time."""


class Admission:
    """
    Counts the openings of each door.
    """

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        # There is no bound for all doors together. A client that knocks again takes nothing from a
        # new one, so there are two budgets.
        self._new, self._old = Budget(MAX_OPENED, 1e9), Budget(MAX_OPENED, 1e9)

    def findRefusal(self, request: Request, isThere: bool, now: float) -> str:
        """
        Return why a door cannot be opened, or kept open for longer, now; empty if it can.

        @param isThere: whether there is this opening already.
        """
        name, budget = request.door.name, self._old if isThere else self._new
        if not isThere and self._count[name] >= MAX_OPENINGS:
            return f"{MAX_OPENINGS} openings already, which is the most"
        isPlain = request.who is NOBODY or request.who == NOBODY
        if isPlain and not budget.spend(name, now):
            opened = f"{MAX_OPENED} opened in a second, which is the most"
            return f"{opened}: do others know its sequence"
        return ""

    def began(self, door: str) -> None:
        """Count one more opening."""
        self._count[door] += 1

    def ended(self, door: str) -> None:
        """Count one opening less."""
        self._count[door] -= 1
