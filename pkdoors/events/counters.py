"""The daemon's counters. Pure."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping

from pkdoors.events.event import EXTENDED, OPENED, Event

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of the time to open, in seconds: the kernel takes 0.1 ms, firewalld
10 ms, and a firewall that was away for a while some seconds."""


class Counters:
    """
    Counts since the daemon's start.

    @ivar knocks: datagrams by result: C{"request"}, C{"refused"}, or C{"other"}.
    @ivar events: events by kind.
    @ivar firewall: calls by the firewall's name, the call, and C{"ok"} or C{"failed"}.
    @ivar times: how many openings took up to each of L{BUCKETS}; the last counts the longer ones.
    @ivar timesSum: the sum of those times, in seconds.
    @ivar dropped: returns the number of datagrams dropped before the daemon heard them, by reason.
    """

    def __init__(self) -> None:
        self.dropped: Callable[[], Mapping[str, int]] = lambda: {}
        self.knocks: Counter[str] = Counter(request=0, refused=0, other=0)
        self.events: Counter[str] = Counter()
        self.firewall: Counter[tuple[str, str, str]] = Counter()
        self.times = [0] * (len(BUCKETS) + 1)
        self.timesSum = 0.0

    def hear(self, event: Event) -> None:
        """Count an event, and the events that were left out before it."""
        self.events[event.kind] += 1 + event.leftOut
        if event.kind in (OPENED, EXTENDED):
            self.times[bisect_left(BUCKETS, event.took)] += 1
            self.timesSum += event.took
