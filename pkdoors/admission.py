"""How many openings there may be. Pure."""

from collections import Counter

from pkdoors.budget import Budget
from pkdoors.locks import Request
from pkdoors.who import NOBODY

MAX_OPENINGS = 4096
"""Openings of one door at a time, about 15 MB: a bound for memory, far above what people earn. Only
who knows a sequence can come near it, by spoofing addresses; and he keeps nobody out of another
door."""

MAX_OPENED = 1500
"""Doors opened in a second by plain knocks on one sequence: each takes 0.2 ms, and whoever else
knocks, on another door or with a seal, needs the rest of the time."""


class Admission:
    """
    Counts the openings of each door.
    """

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._budget = Budget(MAX_OPENED, 1e9)  # all doors together have none

    def refusal(self, request: Request, now: float) -> str:
        """Why there can be no more openings of a door now; empty where there can."""
        name = request.door.name
        if self._count[name] >= MAX_OPENINGS:
            return f"{MAX_OPENINGS} openings already, which is the most"
        if request.who == NOBODY and not self._budget.spend(name, now):
            return (
                f"{MAX_OPENED} opened in a second, which is the most: do others know its sequence"
            )
        return ""

    def began(self, door: str) -> None:
        """There is one more."""
        self._count[door] += 1

    def ended(self, door: str) -> None:
        """There is one less."""
        self._count[door] -= 1
