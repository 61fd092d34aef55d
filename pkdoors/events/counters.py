"""The daemon's counters. Pure."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping

from pkdoors.events.event import (
    EXTENDED,
    GUARDING,
    OPENED,
    REFUSED,
    RELOAD_REFUSED,
    RELOADED,
    Event,
)

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of the time to open, in seconds: the kernel takes 0.1 ms, firewalld
10 ms, and a firewall that was away for a while some seconds."""

HOOK_RESULTS = HOOK_OK, HOOK_FAILED, HOOK_LEFT_OUT = "ok", "failed", "left-out"
CALLS = "open", "close", "restore"
"""The calls of a firewall that are counted."""


class Counters:
    """
    Counts since the daemon's start.

    @ivar knocks: datagrams by result: C{"request"}, C{"refused"}, or C{"other"}.
    @ivar events: events by kind.
    @ivar firewall: calls by the firewall's name, the call, and C{"ok"} or C{"failed"}.
    @ivar times: how many openings took up to each of L{BUCKETS}; the last counts the longer ones.
    @ivar timesSum: the sum of those times, in seconds.
    @ivar dropped: returns the number of datagrams dropped before the daemon heard them, by reason.
    @ivar opened: openings that began, by door.
    @ivar refused: knocks that were refused, by door.
    @ivar hooks: hooks by result, see L{HOOK_RESULTS}.
    @ivar lostLines: returns how many lines the audit file lacks.
    @ivar inPlace: returns whether the rules are in a firewall, by its name.
    @ivar reloadTime: when the configuration was last applied; the start counts.
    @ivar isReloadGood: whether the last attempt to apply it succeeded.
    """

    def __init__(self) -> None:
        self.dropped: Callable[[], Mapping[str, int]] = lambda: {}
        self.knocks: Counter[str] = Counter(request=0, refused=0, other=0)
        self.events: Counter[str] = Counter()
        self.firewall: Counter[tuple[str, str, str]] = Counter()
        self.opened: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.hooks: Counter[str] = Counter(dict.fromkeys(HOOK_RESULTS, 0))
        self.lostLines: Callable[[], int] = lambda: 0
        self.inPlace: Callable[[], Mapping[str, bool]] = lambda: {}
        self.reloadTime = 0.0
        self.isReloadGood = True
        self.times = [0] * (len(BUCKETS) + 1)
        self.timesSum = 0.0

    def hear(self, event: Event) -> None:
        """Count an event, and the events that were left out before it."""
        self.events[event.kind] += 1 + event.leftOut
        name = event.door.name if event.door else ""
        if event.kind == OPENED:
            self.opened[name] += 1
        elif event.kind == REFUSED:
            self.refused[name] += 1 + event.leftOut
        elif event.kind in (GUARDING, RELOADED):
            self.reloadTime, self.isReloadGood = event.time, True
        elif event.kind == RELOAD_REFUSED:
            self.isReloadGood = False
        if event.kind in (OPENED, EXTENDED):
            self.times[bisect_left(BUCKETS, event.took)] += 1
            self.timesSum += event.took

    def countHook(self, result: str) -> None:
        """Count a hook that has ended, or was left out."""
        self.hooks[result] += 1
