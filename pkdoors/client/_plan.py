"""What to send to which port, and when, for one knock on one address. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pkdoors.model.knockports import KnockPort
from pkdoors.model.sequence import Sequence

ROUNDS = 3
"""How often a sealed knock is sent to each port. Each port must receive it once: if one datagram in
twenty is lost, one knock in three fails with 8 ports if it is sent once, one in 50 if it is sent
twice, one in a thousand if it is sent three times."""
ROUND_PAUSE = 0.02
"""Seconds between two rounds: a full queue has room again by then, and no user notices the
delay."""


class Sending(NamedTuple):
    """
    One datagram of a knock, or for a TCP port one SYN.

    @ivar pause: seconds to wait before it.
    """

    pause: float
    port: KnockPort
    datagram: bytes


def planPlain(sequence: Sequence, datagram: bytes, interval: float) -> Iterator[Sending]:
    """
    Plan a plain knock: a datagram to each port, in order.

    @param interval: seconds between two datagrams, which must not overtake each other.
    """
    for index, port in enumerate(sequence.ports):
        yield Sending(interval if index else 0.0, port, datagram)


def planSealed(sequence: Sequence, datagrams: Iterable[bytes]) -> Iterator[Sending]:
    """
    Plan sealed knocks, one after another: each goes to all ports at once, L{ROUNDS} times. A port
    that is in the sequence twice gets the datagram once in a round.
    """
    pause = 0.0
    for datagram in datagrams:
        for _ in range(ROUNDS):
            for port in dict.fromkeys(sequence.ports):
                yield Sending(pause, port, datagram)
                pause = 0.0
            pause = ROUND_PAUSE
