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

INTERVAL = 0.02
"""Seconds between two datagrams of a plain knock. They go to different ports, so a network may send
them on different ways, and they must not overtake each other."""
SHORTEST_INTERVAL = 0.0025
"""The same on a short path: a busy switch can hold one up for a millisecond or two."""


class RoundTrip(NamedTuple):
    """
    How long a packet to a host takes until its answer is back, in seconds.

    @ivar variation: by how much it differs from the mean, on average.
    """

    mean: float
    variation: float

    @property
    def most(self) -> float:
        """When the answer is back almost always, as TCP itself reckons (C{RFC 6298})."""
        return self.mean + 4 * self.variation


def intervalFor(roundTrip: RoundTrip | None) -> float:
    """
    Return the seconds between two datagrams of a plain knock that is not the last try: a quarter of
    the round trip. TCP begins with the assumption that packets overtake each other by at most so
    much (C{RFC 8985}, section 6.2).

    @param roundTrip: L{None} if unknown.
    """
    if roundTrip is None:
        return INTERVAL
    return min(max(SHORTEST_INTERVAL, roundTrip.mean / 4), INTERVAL)


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
