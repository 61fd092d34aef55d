"""What to send to which port, and when, for one knock on one address. Pure."""

from collections.abc import Iterable
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


class Plan(NamedTuple):
    """
    One knock on one address.

    @ivar enough: how many of the datagrams can open the door; the others are sent in case that some
        are lost.
    """

    sendings: tuple[Sending, ...]
    enough: int


def planPlain(sequence: Sequence, datagram: bytes, interval: float) -> Plan:
    """
    Plan a plain knock: a datagram to each port, in order.

    @param interval: seconds between two datagrams, which must not overtake each other.
    """
    sendings = tuple(
        Sending(interval if index else 0.0, port, datagram)
        for index, port in enumerate(sequence.ports)
    )
    return Plan(sendings, len(sendings))


def planSealed(sequence: Sequence, datagrams: Iterable[bytes]) -> Plan:
    """
    Plan sealed knocks, one after another: each goes to all ports at once, L{ROUNDS} times. A port
    that is in the sequence twice gets the datagram once in a round.
    """
    sendings: list[Sending] = []
    ports = tuple(dict.fromkeys(sequence.ports))
    enough = 0
    for datagram in datagrams:
        enough = len(sendings) + len(ports)
        for _ in range(ROUNDS):
            pause = ROUND_PAUSE if sendings else 0.0
            sendings += [
                Sending(0.0 if index else pause, port, datagram) for index, port in enumerate(ports)
            ]
    return Plan(tuple(sendings), enough)
