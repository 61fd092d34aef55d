"""
What a network can do to the datagrams of a knock. Pure.

It is computed before they are sent, because not every kernel has netem.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from pkdoors.client.core.plan import Sending
from pkdoors.model.knockports import KnockPort

PACE = 0.02
"""Seconds between two datagrams of a plain knock, as C{pkdoors knock} sends it by default."""

Schedule = list[tuple[float, KnockPort, bytes]]
"""When to send, in seconds from the beginning; to which port; what."""


@dataclass(frozen=True, slots=True)
class Line:
    """
    How a knock travels over the network.

    @ivar interval: seconds between two datagrams, unless the knock itself says otherwise.
    @ivar doubled: whether each arrives twice.
    @ivar jitter: the most seconds by which one is late.
    @ivar loss: the share of datagrams that are lost.
    @ivar together: whether many clients knock at once, rather than one after another.
    """

    interval: float = 0.0
    doubled: bool = False
    jitter: float = 0.0
    loss: float = 0.0
    together: bool = False


LINES = {
    "back to back": Line(),
    "each datagram doubled": Line(doubled=True),
    "20 ms jitter": Line(jitter=0.02),
    "20 ms jitter, 20 ms apart": Line(jitter=0.02, interval=PACE),
    "1 % loss": Line(loss=0.01),
    "20 clients interleaved": Line(interval=PACE, together=True),
}


def planArrivals(
    knock: Iterable[Sending], line: Line = Line(), random: Random | None = None
) -> Schedule:
    """Return when the datagrams of a knock arrive over such a line, in order of time."""
    chance = random or Random(0)
    when, schedule = 0.0, []
    for pause, port, datagram in knock:
        when += pause
        for _ in range(1 + line.doubled):
            late = chance.uniform(0, line.jitter)
            if chance.random() >= line.loss:
                schedule.append((when + late, port, datagram))
    return sorted(schedule, key=lambda arrival: arrival[0])
