"""What is counted. Pure."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping

from pkdoors.events.event import EXTENDED, OPENED, Event

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of the time to open, in seconds: the kernel takes a tenth of a
millisecond, firewalld ten, and a firewall that was away some seconds."""


class Counters:
    """
    Counts from the daemon's start on.

    @ivar knocks: datagrams by what became of them: C{"request"}, C{"refused"}, or C{"other"}.
    @ivar events: what happened, by its kind.
    @ivar firewall: calls by the firewall's name, the call, and C{"ok"} or C{"failed"}.
    @ivar times: how many openings took up to each of L{BUCKETS}; the last, longer than all.
    @ivar timesSum: all those times together, in seconds.
    @ivar dropped: gives what was dropped before it was heard, by the reason.
    """

    def __init__(self) -> None:
        self.dropped: Callable[[], Mapping[str, int]] = lambda: {}
        self.knocks: Counter[str] = Counter(request=0, refused=0, other=0)
        self.events: Counter[str] = Counter()
        self.firewall: Counter[tuple[str, str, str]] = Counter()
        self.times = [0] * (len(BUCKETS) + 1)
        self.timesSum = 0.0

    def hear(self, event: Event) -> None:
        """Count an event, and those that were left out before it."""
        self.events[event.kind] += 1 + event.leftOut
        if event.kind in (OPENED, EXTENDED):
            self.times[bisect_left(BUCKETS, event.took)] += 1
            self.timesSum += event.took
