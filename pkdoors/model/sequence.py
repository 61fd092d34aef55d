"""The sequence: the UDP ports of a door's knock, in order."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from math import factorial, gcd, prod

from pkdoors.errors import BadValue
from pkdoors.model.ports import parseEach, parsePort

MIN_PORTS = 5
"""As the program that pkdoors follows has it; k ports that are known are worth (k-1)!
tries, see L{Sequence.tries}."""
MAX_PORTS = 20
"""As the program that pkdoors follows has it; a longer knock only loses datagrams."""
DEFAULT_LENGTH = 8
"""Ports in a sequence that is made here: 5040 tries, knocked in a fifth of a second."""
SAFE_TRIES = factorial(5)
"""A sequence of which fewer tries find the order is warned of; 6 different ports have so many."""
PUBLIC_PORTS = (16001, 16002, 16003, 16004, 16005)
"""What port-knocking-doors takes where nothing else is said: its documents tell it to everybody."""
RANDOM_PORTS = range(10_000, 32_768)
"""Where random sequences come from: above the well-known ports, below Linux' ephemeral ones
(C{net.ipv4.ip_local_port_range} begins at 32768), so that no outgoing datagram takes one."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """
    5 to 20 UDP ports in order. It is a secret: C{repr()} does not tell it, C{str()} does.
    """

    ports: tuple[int, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not MIN_PORTS <= len(self.ports) <= MAX_PORTS:
            raise BadValue(
                f"it has {len(self.ports)} ports: "
                f"a sequence has {MIN_PORTS} to {MAX_PORTS}, with commas between"
            )

    @classmethod
    def parse(cls, text: str) -> "Sequence":
        """
        Read C{17001,17203,17005,17404,17002}.

        @raise BadValue: an item is no port, or they are too few or too many. The message quotes
            nothing: it may be all but right.
        """
        items = [item.strip() for item in text.split(",")]
        if not all(items):
            raise BadValue("it has an empty item: give 5 to 20 UDP ports with one comma between")
        return cls(tuple(parseEach(items, _parsePort)))

    @classmethod
    def random(cls, length: int, isFree: Callable[[int], bool]) -> "Sequence":
        """
        A random sequence of distinct ports, in an order that a scan does not hit.

        @param isFree: whether a UDP port can be listened on here.
        @raise BadValue: C{length} is not 5 to 20.
        """
        ports = random.SystemRandom().sample(RANDOM_PORTS, len(RANDOM_PORTS))
        sequence = cls(tuple(islice(filter(isFree, ports), length)))
        return cls.random(length, isFree) if sequence.direction() else sequence

    def __str__(self) -> str:
        return ",".join(map(str, self.ports))

    def tries(self) -> int:
        """
        Return how many tries find the order, at most, if somebody knows the ports.

        Sending an order, and its beginning again, tries all its rotations at once. So this is the
        number of necklaces with these ports (Burnside's lemma): (k-1)! of k different ports.
        """
        length = len(self.ports)
        return sum(map(self._unchanged, range(length))) // length

    def _unchanged(self, turn: int) -> int:
        """Return how many orders of these ports are the same when rotated by so many places."""
        cycles = gcd(turn, len(self.ports))
        size = len(self.ports) // cycles
        repeats = Counter(self.ports).values()
        if any(each % size for each in repeats):
            return 0
        return factorial(cycles) // prod(factorial(each // size) for each in repeats)

    def warnings(self) -> list[str]:
        """What makes this sequence weak, a sentence each."""
        found = []
        if self.ports == PUBLIC_PORTS:
            found.append(
                "the sequence is the default of port-knocking-doors, which is public, so that "
                "anybody can open the door: take another one (`pkdoors sequence` makes one)"
            )
        if direction := self.direction():
            found.append(
                f"the sequence is in {direction} order, so that a simple port scan can open the "
                "door: mix the ports"
            )
        if self.tries() < SAFE_TRIES:
            found.append(
                f"the sequence can be guessed in only {self.tries()} tries by whoever finds its "
                "ports: use 6 or more different ports, better 8"
            )
        return found

    def direction(self) -> str:
        """C{"ascending"} or C{"descending"} where the ports are in that order, else empty."""
        rising = sorted(self.ports)
        directions = {tuple(rising[::-1]): "descending", tuple(rising): "ascending"}
        return directions.get(self.ports, "")


def _parsePort(text: str) -> int:
    try:
        return parsePort(text)
    except BadValue:
        raise BadValue("it is not a port: a port is a number from 1 to 65535") from None
