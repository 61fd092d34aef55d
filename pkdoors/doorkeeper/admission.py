"""How many openings there may be. Pure."""

from collections import Counter

from pkdoors.locks.lock import Request
from pkdoors.model.principal import NOBODY
from pkdoors.util.ratelimits import Budget

MAX_OPENINGS = 4096
"""Openings of one door at a time, about 15 MB: a bound for memory, far above what people earn. Only
who knows a sequence can come near it, by spoofing addresses; and he keeps nobody out of another
door."""

MAX_OPENED = 1500
"""Openings that plain knocks on one door may begin in a second, and as many that they may prolong:
each takes 0.2 ms, and whoever else knocks, on another door or with a seal, needs the rest of the
time."""


class Admission:
    """
    Counts the openings of each door.
    """

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        # All doors together have no bound. Who knocks again takes nothing from who is new.
        self._new, self._old = Budget(MAX_OPENED, 1e9), Budget(MAX_OPENED, 1e9)

    def refusal(self, request: Request, isThere: bool, now: float) -> str:
        """
        Why a door cannot be opened, or be kept open for longer, now; empty where it can.

        @param isThere: whether there is this opening.
        """
        name, budget = request.door.name, self._old if isThere else self._new
        if not isThere and self._count[name] >= MAX_OPENINGS:
            return f"{MAX_OPENINGS} openings already, which is the most"
        if request.who == NOBODY and not budget.spend(name, now):
            many = f"{MAX_OPENED} opened in a second, which is the most"
            return f"{many}: do others know its sequence"
        return ""

    def began(self, door: str) -> None:
        """There is one more."""
        self._count[door] += 1

    def ended(self, door: str) -> None:
        """There is one less."""
        self._count[door] -= 1
