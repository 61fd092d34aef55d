"""What is sent to which port when, for one knock on one address. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pkdoors.model.sequence import Sequence

ROUNDS = 3
"""How often a sealed knock is sent to each port. Each port must get it once: where one datagram in
twenty is lost, that fails for one knock in three with 8 ports sent to once, for one in 50 sent to
twice, for one in a thousand sent to three times."""
ROUND_PAUSE = 0.02
"""Seconds between these: a queue that overflowed has room again, and nobody feels it."""


class Sending(NamedTuple):
    """
    One datagram of a knock.

    @ivar pause: seconds to wait before it.
    """

    pause: float
    port: int
    datagram: bytes


def planPlain(sequence: Sequence, datagram: bytes, interval: float) -> Iterator[Sending]:
    """
    A plain knock: a datagram to each port, in order.

    @param interval: seconds between two of them, which must not overtake each other.
    """
    for index, port in enumerate(sequence.ports):
        yield Sending(interval if index else 0.0, port, datagram)


def planSealed(sequence: Sequence, datagrams: Iterable[bytes]) -> Iterator[Sending]:
    """
    Sealed knocks, one after another: each to all ports at once, and that L{ROUNDS} times. A port
    that is in the sequence twice gets it once.
    """
    pause = 0.0
    for datagram in datagrams:
        for _ in range(ROUNDS):
            for port in dict.fromkeys(sequence.ports):
                yield Sending(pause, port, datagram)
                pause = 0.0
            pause = ROUND_PAUSE
