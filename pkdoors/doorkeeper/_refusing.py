"""What the log, and all who subscribe to events, hear of knocks that open nothing."""

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime

from pkdoors.events.event import GUESSING, REFUSED, UNFINISHED
from pkdoors.events.publisher import EventPublisher
from pkdoors.locks.lock import Guessing, Refusal
from pkdoors.locks.refusals import Refusals
from pkdoors.locks.tries import Try
from pkdoors.locks.wrongorders import MAX_COUNTED, WARY_PENALTY
from pkdoors.model.networks import networkOf
from pkdoors.util.durations import formatDuration

MAX_UNFINISHED = 5
"""Lines about tries without success at a time, which is at most once a second."""


class RefusalReport:
    """
    Publishes refusals, but not so many that a flood of them fills a disk.
    """

    def __init__(self, clock: IReactorTime, publisher: EventPublisher) -> None:
        self._clock = clock
        self._publisher = publisher
        self._refusals = Refusals()
        self._isKnown = self._refusals.isKnown
        self._untold = 0

    def noteOpening(self, source: str) -> None:
        """Remember that a door was opened for a source."""
        self._refusals.noteOpening(source)

    def publish(self, refusal: Refusal) -> None:
        """Publish a refusal, unless there were too many; then it is counted with a later one."""
        leftOut = self._refusals.admit(refusal, self._clock.seconds())
        if leftOut is None:
            return
        self._publisher.publish(
            REFUSED,
            door=refusal.door,
            source=refusal.source,
            who=refusal.who,
            reason=refusal.reason,
            leftOut=leftOut,
        )

    def publishUnfinished(self, ended: Iterable[Try], lost: int) -> None:
        """
        Publish tries that have ended without success: a few at a time, those of clients that have
        opened a door lately first, then those that came furthest. A network's second try comes
        after the first tries of all others, as one network may have any number of addresses.

        @param lost: the tries that nobody remembers.
        """
        inOrder = _eachNetworkFirst(
            sorted(ended, key=lambda each: (not self._isKnown(each.source), -each.right))
        )
        leftOut = self._untold
        self._untold = lost + len(inOrder[MAX_UNFINISHED:])
        for each in inOrder[:MAX_UNFINISHED]:
            self._publisher.publish(
                UNFINISHED,
                door=each.door,
                source=each.source,
                reason=each.describe(),
                leftOut=leftOut,
            )
            leftOut = 0
        self._untold += leftOut

    def publishGuessing(self, guessing: Guessing) -> None:
        """Publish that somebody may be guessing an order."""
        networks = f"{guessing.networks}{' or more' * (guessing.networks >= MAX_COUNTED)}"
        length = formatDuration(max(1, round(guessing.seconds)))
        self._publisher.publish(
            GUESSING,
            door=guessing.door,
            reason=f"{guessing.count} wrong orders in {length}, from {networks} networks. Until "
            f"that ends, a network that makes a mistake is ignored for up to "
            f"{formatDuration(WARY_PENALTY)}. Sealed knocks cannot be guessed",
        )


def _eachNetworkFirst(tries: Iterable[Try]) -> list[Try]:
    """Return tries with the first one of each network at each door before all others."""
    seen: set[tuple[str, str]] = set()
    first: list[Try] = []
    others: list[Try] = []
    for each in tries:
        key = networkOf(each.source), each.door.name
        (others if key in seen else first).append(each)
        seen.add(key)
    return first + others
