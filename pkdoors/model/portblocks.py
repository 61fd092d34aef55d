"""
Ranges of ports as a few blocks, each of which is found with the first bits of a port. Pure.

A block has 4^n ports, and begins at a multiple of that, so two ports are in the same block if they
are equal without their last 2n bits. A range of any length has at most 6 blocks of one size.
"""

from collections.abc import Iterator
from typing import NamedTuple

MAX_EXPONENT = 7


class PortBlock(NamedTuple):
    """
    A block of ports.

    @ivar first: its first port.
    @ivar exponent: n, if it has 4^n ports.
    """

    first: int
    exponent: int

    @property
    def last(self) -> int:
        """Its last port."""
        return self.first + sizeOf(self.exponent) - 1


def sizeOf(exponent: int) -> int:
    """Return the number of ports in a block."""
    return 1 << 2 * exponent


def maskOf(exponent: int) -> int:
    """Return a mask for the bits that all ports of a block share."""
    return 0x10000 - sizeOf(exponent)


def splitBlocks(first: int, last: int) -> Iterator[PortBlock]:
    """Yield the largest blocks that a range of ports consists of, in order."""
    while first <= last:
        exponent = 0
        while exponent < MAX_EXPONENT:
            size = sizeOf(exponent + 1)
            if first % size or first + size - 1 > last:
                break
            exponent += 1
        yield PortBlock(first, exponent)
        first += sizeOf(exponent)
