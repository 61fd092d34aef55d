"""The wrong orders at one door, from everywhere. Pure."""

from collections import deque
from math import inf

ALLOWED = 10
"""Wrong orders at a door, from everywhere, that count as accidents. After these the door is
wary."""
REGAIN = 3600.0
"""Seconds after which one wrong order is forgotten, then the next. A guesser who stays within this
rate tries at most as many orders in an hour as the sequence has ports, about as many as a wary door
allows."""
WARY_PENALTY = 600.0
"""Seconds of a period of a wary door. A network that knocks wrongly is ignored until the current
period ends. The periods are fixed, with one wrong order in each, since a guesser could learn from
the time at which a penalty begins; see L{pkdoors.locks._penalties.computePenaltyEnd}."""

REPORT_EVERY = 600.0
"""Seconds between two lines about one door."""
MAX_COUNTED = 1000
"""The most networks that are counted for such a line."""


class WrongOrders:
    """
    Counts the wrong orders at one door. Ten are allowed, and one more each hour. A network that
    opens the door knows the order, so its earlier wrong orders are taken back: it had lost
    datagrams.
    """

    def __init__(self) -> None:
        self._networks: deque[str] = deque()  # one for each wrong order that counts, oldest first
        self._nextRegain = inf
        # For the next report:
        self._since = 0.0
        self._count = 0
        self._from: set[int] = set()
        self._nextReport = -inf

    def isWary(self, now: float) -> bool:
        """Return whether all allowed wrong orders are used up."""
        while now >= self._nextRegain and self._networks:
            self._networks.popleft()
            self._nextRegain += REGAIN
        return len(self._networks) >= ALLOWED

    def add(self, network: str, now: float) -> None:
        """Count a wrong order."""
        if not self.isWary(now):
            if not self._networks:
                self._nextRegain = now + REGAIN
            self._networks.append(network)
        if not self._count:
            self._since = now
        self._count += 1
        if len(self._from) < MAX_COUNTED:
            self._from.add(hash(network))

    def forgive(self, network: str) -> None:
        """Take back the wrong orders of a network that has just opened the door."""
        if network in self._networks:
            self._networks = deque(other for other in self._networks if other != network)

    def report(self, now: float) -> tuple[int, int, float] | None:
        """
        Return the report for the operator that is due now; L{None} if none is due.

        @return: the number of wrong orders since the last report, of networks that sent them (at
            most L{MAX_COUNTED}), and of the seconds since the first of them.
        """
        if now < self._nextReport or not self.isWary(now):
            return None
        found = self._count, len(self._from), now - self._since
        self._count = 0
        self._from.clear()
        self._nextReport = now + REPORT_EVERY
        return found
