"""Sequences: the ports of a door's knock, in order."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from math import factorial, gcd, prod
from typing import Final

from pkdoors.errors import BadValue
from pkdoors.model.knockports import KnockPort, TcpPort, numberOf, parseKnockPort
from pkdoors.model.ports import parseEach

MIN_PORTS = 5
"""The limit of the program that pkdoors follows. The order of k known ports is worth (k-1)! tries,
see L{Sequence.tries}."""
MAX_PORTS = 20
"""The limit of the program that pkdoors follows. A longer knock only loses datagrams."""
DEFAULT_LENGTH = 8
"""Ports in a new random sequence: 5040 tries to guess, a fifth of a second to knock."""
SAFE_TRIES = factorial(5)
"""The number of tries to guess 6 different ports. A sequence that takes fewer gets a warning."""
PUBLIC_PORTS = (16001, 16002, 16003, 16004, 16005)
"""The default of port-knocking-doors, which its documents publish."""
RANDOM_PORTS = range(10_000, 32_768)
"""The ports of random sequences: above the well-known ports, and below Linux' ephemeral ports
(C{net.ipv4.ip_local_port_range} begins at 32768), so that no outgoing datagram takes one."""


class Sequence:
    """
    5 to 20 ports in order, of UDP, TCP or both. They are a secret: C{repr()} hides them, C{str()}
    shows them. It is a value: nothing changes it.
    """

    __slots__ = ("ports",)

    def __init__(self, ports: tuple[KnockPort, ...]) -> None:
        if not MIN_PORTS <= len(ports) <= MAX_PORTS:
            raise BadValue(
                f"it has {len(ports)} ports: "
                f"a sequence has {MIN_PORTS} to {MAX_PORTS}, separated by commas"
            )
        self.ports: Final = ports

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.ports == other.ports

    def __hash__(self) -> int:
        return hash(self.ports)

    def __repr__(self) -> str:
        return "Sequence()"

    @classmethod
    def parse(cls, text: str) -> "Sequence":
        """
        Read C{17001,17203/tcp,17005,17404,17002}; a number alone is a UDP port.

        @raise BadValue: an item is not a port, or there are too few or too many. The message quotes
            nothing, as the text may be almost right.
        """
        items = [item.strip() for item in text.split(",")]
        if not all(items):
            raise BadValue("it has an empty item: separate 5 to 20 ports with single commas")
        return cls(tuple(parseEach(items, parseKnockPort)))

    @classmethod
    def random(
        cls, length: int, isFree: Callable[[KnockPort], bool], isTcp: bool = False
    ) -> "Sequence":
        """
        Return a random sequence of distinct ports, in an order that a port scan does not follow.

        @param isFree: whether a port of this host is free.
        @param isTcp: whether its ports are those of TCP.
        @raise BadValue: C{length} is not 5 to 20.
        """
        from random import SystemRandom  # hardly anybody needs it

        numbers = SystemRandom().sample(RANDOM_PORTS, len(RANDOM_PORTS))
        ports: Iterable[KnockPort] = map(TcpPort, numbers) if isTcp else numbers
        sequence = cls(tuple(islice(filter(isFree, ports), length)))
        return cls.random(length, isFree, isTcp) if sequence.direction() else sequence

    def tcpPorts(self) -> list[int]:
        """Return the numbers of the TCP ports, in order."""
        return [port.number for port in self.ports if isinstance(port, TcpPort)]

    def __str__(self) -> str:
        return ",".join(map(str, self.ports))

    def tries(self) -> int:
        """
        Return how many tries at most find the order for somebody who knows the ports.

        Sending an order, then its beginning again, tries all its rotations at once. So this is the
        number of necklaces with these ports (Burnside's lemma): (k-1)! for k different ports.
        """
        length = len(self.ports)
        return sum(map(self._unchanged, range(length))) // length

    def _unchanged(self, turn: int) -> int:
        """Return how many orders of these ports stay the same when rotated by so many places."""
        cycles = gcd(turn, len(self.ports))
        size = len(self.ports) // cycles
        repeats = Counter(self.ports).values()
        if any(count % size for count in repeats):
            return 0
        return factorial(cycles) // prod(factorial(count // size) for count in repeats)

    def warnings(self) -> list[str]:
        """Return why this sequence is weak, a sentence for each reason."""
        found = []
        if self.ports == PUBLIC_PORTS:
            found.append(
                "the sequence is the public default of port-knocking-doors, so anybody can open "
                "the door: use another one (`pkdoors sequence` makes one)"
            )
        if direction := self.direction():
            found.append(
                f"the sequence is in {direction} order, so a simple port scan can open the door: "
                "mix the ports"
            )
        if self.tries() < SAFE_TRIES:
            tries = "1 try" if self.tries() == 1 else f"{self.tries()} tries"
            found.append(
                "the sequence has so few different ports that anybody who finds them can guess "
                f"their order in only {tries}: use at least 6, better 8"
            )
        return found

    def direction(self) -> str:
        """
        Return C{"ascending"} or C{"descending"} if a scan that goes through the ports in that order
        knocks the sequence, else nothing. A scan tries both protocols at once, or one of them
        first.
        """
        isTcp = [isinstance(port, TcpPort) for port in self.ports]
        numbers = [numberOf(port) for port in self.ports]
        scans = [
            [(first != tcp, number) for tcp, number in zip(isTcp, numbers, strict=True)]
            for first in (False, True)
        ]
        for places in ([(False, number) for number in numbers], *scans):
            if places == sorted(places):
                return "ascending"
            if places == sorted(places, reverse=True):
                return "descending"
        return ""
