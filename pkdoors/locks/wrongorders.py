"""The wrong orders of one door, from everywhere. Pure."""

from collections import deque
from math import inf

ALLOWED = 10
"""Wrong orders of a door, from everywhere, that count as accidents. With the next ones the door is
wary."""
REGAIN = 3600.0
"""Seconds after which one of them is forgotten, one after another. Whoever stays within this tries
at most as many orders in an hour as the sequence has ports: about what a wary door allows."""
WARY_PENALTY = 600.0
"""Seconds of the periods of a wary door: whoever knocks wrongly is ignored until the current one
ends. Fixed periods, and one wrong order in each, since a guesser would make something of the time
that a penalty begins; see L{pkdoors.locks._penalties.computePenaltyEnd}."""

REPORT_EVERY = 600.0
"""Seconds between two lines about one door."""
MAX_COUNTED = 1000
"""Networks that are told apart for such a line."""


class WrongOrders:
    """
    Counts them. Ten are allowed, and one more each hour; a network that opens the door knows its
    order, so what it did wrong before is taken back: it was a lost datagram.
    """

    def __init__(self) -> None:
        self._networks: deque[str] = deque()  # of those that count, the oldest first
        self._nextRegain = inf
        self._since = 0.0  # what follows is for the report
        self._count = 0
        self._from: set[int] = set()
        self._nextReport = -inf

    def isWary(self, now: float) -> bool:
        """Return whether nothing is left."""
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
        """Take back those of a network that has just opened the door."""
        if network in self._networks:
            self._networks = deque(each for each in self._networks if each != network)

    def report(self, now: float) -> tuple[int, int, float] | None:
        """
        Return what the operator should hear now; L{None} for nothing.

        @return: how many wrong orders there were since the last report, from how many networks (at
            most L{MAX_COUNTED}), and in how many seconds.
        """
        if now < self._nextReport or not self.isWary(now):
            return None
        found = self._count, len(self._from), now - self._since
        self._count = 0
        self._from.clear()
        self._nextReport = now + REPORT_EVERY
        return found
