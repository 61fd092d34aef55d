"""How many openings there may be. Pure."""

from collections import Counter
from collections.abc import Iterable

from pkdoors.locks.lock import Request
from pkdoors.model.doors import Door
from pkdoors.model.networks import networkOf, siteOf
from pkdoors.model.principal import NOBODY, OPERATOR, Principal
from pkdoors.util.ratelimits import Budget

MAX_OPENED = 1500
"""Openings that plain knocks on one door may begin in a second, and as many that they may prolong:
each takes 0.2 ms, and clients that knock on another door, or with a seal, need the rest of the
time."""

CROWDED = 0.75
"""The part of a door's openings, or of those that doors share, after which one key, or one site of
the Internet, gets no more if it has many."""
FEW = 64
"""One key, or one site, then has at most this fraction of a door's openings."""


class Admission:
    """
    Counts the openings of each door.

    Half of all openings are for the doors in equal shares, so no door, however many know its
    secret, can take the last place from another one. Doors with more openings than their share take
    them from the other half.

    @param most: how many openings there may be, of all doors.
    """

    def __init__(self, doors: Iterable[Door], most: int) -> None:
        self._most = most
        self._count: Counter[str] = Counter()
        self._ownedBy: Counter[str] = Counter()
        # A client that knocks again takes nothing from a new one, so there are two budgets.
        self._new, self._old = Budget(MAX_OPENED, 1e9), Budget(MAX_OPENED, 1e9)
        self.setDoors(doors)

    def setDoors(self, doors: Iterable[Door], most: int = 0) -> None:
        """
        Count the openings of other doors.

        @param most: see L{Admission}; 0 for as many as before.
        """
        self._most = most or self._most
        self._doors = {door.name: door for door in doors}
        share = max(1, self._most // (2 * max(1, len(self._doors))))
        self._shares = {name: min(share, door.mostOpenings) for name, door in self._doors.items()}
        self._common = self._most - sum(self._shares.values())
        # How many of these are taken.
        self._taken = sum(self._countBeyond(name) for name in self._count)

    def _countBeyond(self, name: str) -> int:
        return max(0, self._count[name] - self._shares.get(name, 0))

    def findRefusal(self, request: Request, isThere: bool, now: float) -> str:
        """
        Return why a door cannot be opened, or kept open for longer, now; empty if it can.

        @param isThere: whether there is this opening already.
        """
        name, budget = request.door.name, self._old if isThere else self._new
        if not isThere:
            reason = self.findFull(request.door, findOwner(request.source, request.who))
            if reason:
                return reason
        isPlain = request.who is NOBODY or request.who == NOBODY
        if isPlain and not budget.spend(name, now):
            opened = f"{MAX_OPENED} opened in a second, the maximum"
            return f"{opened}: perhaps others know its sequence"
        return ""

    def findFull(self, door: Door, owner: str) -> str:
        """
        Return why there is no room for one more opening of a door; empty if there is.

        @param owner: see L{findOwner}.
        """
        count, most = self._count[door.name], self._doors.get(door.name, door).mostOpenings
        if count >= most:
            return f"{most} openings already, the maximum"
        isCommon = count >= self._shares.get(door.name, 0)
        if isCommon and self._taken >= self._common:
            return f"{sum(self._count.values())} openings of all doors already, the maximum"
        isCrowded = count >= CROWDED * most or (isCommon and self._taken >= CROWDED * self._common)
        if owner and isCrowded and self._ownedBy[owner] >= max(1, most // FEW):
            return (
                f"{count} openings already, and {self._ownedBy[owner]} of {owner}: the last places "
                "are for others"
            )
        return ""

    def began(self, door: str, owner: str) -> None:
        """Count one more opening."""
        self._count[door] += 1
        self._taken += self._count[door] > self._shares.get(door, 0)
        if owner:
            self._ownedBy[owner] += 1

    def ended(self, door: str, owner: str) -> None:
        """Count one opening less."""
        self._taken -= self._count[door] > self._shares.get(door, 0)
        self._count[door] -= 1
        if not self._count[door]:
            del self._count[door]
        if owner:
            self._ownedBy[owner] -= 1
            if not self._ownedBy[owner]:
                del self._ownedBy[owner]


def findOwner(source: str, who: Principal) -> str:
    """
    Return who might have very many openings at a time, the fingerprint of a key or a site of the
    Internet; empty if nobody can. Over IPv4 nobody has so many addresses without forging them.
    """
    if who.key or who == OPERATOR:
        return who.key
    return siteOf(networkOf(source)) if ":" in source else ""
