"""
What a network can do to the datagrams of a knock. Pure.

It is done before they are sent: not every kernel has netem.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from pkdoors.client._plan import Sending

PACE = 0.02
"""Seconds between two datagrams of a plain knock, as C{pkdoors knock} sends it by default."""

Timed = list[tuple[float, int, bytes]]
"""When, in seconds from the beginning; to which port; what."""


@dataclass(frozen=True, slots=True)
class Line:
    """
    How a knock goes over the network.

    @ivar interval: seconds between two datagrams, where the knock does not say itself.
    @ivar doubled: whether each arrives twice.
    @ivar jitter: seconds by which one is late at most.
    @ivar loss: the share of datagrams that are lost.
    @ivar together: whether many clients knock at once, and not one after another.
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


def timed(knock: Iterable[Sending], line: Line = Line(), random: Random | None = None) -> Timed:
    """What becomes of a knock on such a line, in the order of time."""
    chance = random or Random(0)
    when, plan = 0.0, []
    for pause, port, datagram in knock:
        when += pause
        for _ in range(1 + line.doubled):
            late = chance.uniform(0, line.jitter)
            if chance.random() >= line.loss:
                plan.append((when + late, port, datagram))
    return sorted(plan, key=lambda each: each[0])
