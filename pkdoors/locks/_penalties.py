"""Penalties: which networks are ignored, and until when. Pure."""

from array import array
from collections.abc import Hashable
from math import inf

MAX_PENALTIES = 1 << 18
"""Networks whose penalty is remembered: 4 MB, allocated at the first wrong order. An attacker who
sends 100,000 wrong orders a second from invented addresses makes the table forget an earlier
penalty after 2.6 s, on average."""

_ROW = 8
"""Networks that share a row of the table. If a row is full, the penalty that ends first is
forgotten; if several end then, any of them."""
_MASK = (1 << 64) - 1


class Penalties:
    """
    A table of fixed size, keyed by a hash: networks cost an attacker nothing, so they must not cost
    memory here. Collisions of the 64-bit hash are too rare to matter.

    @param limit: the most networks that it remembers.
    """

    def __init__(self, limit: int = MAX_PENALTIES) -> None:
        self._rows = max(1, limit // _ROW)
        self._hashes: array[int] | None = None
        self._ends: array[float]
        self._turn = 0

    def findEnd(self, network: Hashable) -> float:
        """Return when the last penalty of a network ends or ended; minus infinity for none."""
        if self._hashes is None:
            return -inf
        code = hash(network) & _MASK
        first = code % self._rows * _ROW
        row = self._hashes[first : first + _ROW]
        return self._ends[first + row.index(code)] if code in row else -inf

    def put(self, network: Hashable, ends: float) -> None:
        """Ignore a network until the penalty ends."""
        if self._hashes is None:
            self._hashes = array("Q", bytes(8 * self._rows * _ROW))
            self._ends = array("d", [-inf]) * (self._rows * _ROW)
        code = hash(network) & _MASK
        first = code % self._rows * _ROW
        row = self._hashes[first : first + _ROW]
        if code in row:
            at = first + row.index(code)
        else:
            self._turn += 1
            # min() takes the first of several: begin elsewhere each time, so that it takes any.
            places = (first + (self._turn + offset) % _ROW for offset in range(_ROW))
            at = min(places, key=self._ends.__getitem__)
        self._hashes[at], self._ends[at] = code, ends


def computePenaltyEnd(now: float, seconds: float) -> float:
    """
    Return when a penalty that begins now ends: after at least so many seconds, and at most a
    quarter more.

    Penalties end at multiples of a quarter, whenever they began. If each ended a fixed time after
    the wrong knock, that moment would depend on how many knocks before it were right. A guesser who
    sends different orders at different moments could then test one order on each group of possible
    sequences within a single penalty, and would find the order in some dozens of penalties.
    """
    if not seconds:
        return now
    quarter = seconds / 4
    return -(-(now + seconds) // quarter) * quarter


def computePeriodEnd(now: float, seconds: float) -> float:
    """Return when the current period ends, of consecutive periods of so many seconds."""
    return (now // seconds + 1) * seconds
