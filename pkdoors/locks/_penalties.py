"""Which networks are ignored, and until when. Pure."""

from array import array
from math import inf

MAX_PENALTIES = 1 << 18
"""Networks whose penalty is remembered: 4 MB, taken at the first wrong order. Whoever makes up
addresses and sends 100,000 wrong orders a second from them has an earlier penalty forgotten after
2.6 s, on average."""

_WAYS = 8
"""Networks that have to share a row of the table. If a row is full, the one goes whose penalty ends
first; of several, any."""
_MASK = (1 << 64) - 1


class Penalties:
    """
    A table of fixed size, keyed by a hash: networks cost an attacker nothing, so they must not cost
    memory here. That two of them have one hash of 64 bits is no worry.

    @param limit: how many it remembers at most.
    """

    def __init__(self, limit: int = MAX_PENALTIES) -> None:
        self._rows = max(1, limit // _WAYS)
        self._hashes: array[int] | None = None
        self._ends: array[float]
        self._turn = 0

    def ends(self, network: str) -> float:
        """Return when the last penalty of a network ends, or ended; minus infinity for none."""
        if self._hashes is None:
            return -inf
        code = hash(network) & _MASK
        first = code % self._rows * _WAYS
        row = self._hashes[first : first + _WAYS]
        return self._ends[first + row.index(code)] if code in row else -inf

    def put(self, network: str, ends: float) -> None:
        """Ignore a network until then."""
        if self._hashes is None:
            self._hashes = array("Q", bytes(8 * self._rows * _WAYS))
            self._ends = array("d", [-inf]) * (self._rows * _WAYS)
        code = hash(network) & _MASK
        first = code % self._rows * _WAYS
        row = self._hashes[first : first + _WAYS]
        if code in row:
            at = first + row.index(code)
        else:
            self._turn += 1
            ways = (first + (self._turn + way) % _WAYS for way in range(_WAYS))
            at = min(ways, key=self._ends.__getitem__)
        self._hashes[at], self._ends[at] = code, ends


def computePenaltyEnd(now: float, seconds: float) -> float:
    """
    Return when a penalty ends that begins now: after at least so many seconds, and at most a
    quarter more.

    Penalties end at multiples of a quarter, whenever they began. If each ended a fixed time after
    the wrong knock, the moment would depend on how many knocks before it were right: whoever
    sends different orders at different moments could then try one on each group of possible
    sequences, all within one penalty, and would find the order in some dozens of penalties.
    """
    if not seconds:
        return now
    quarter = seconds / 4
    return -(-(now + seconds) // quarter) * quarter


def computePeriodEnd(now: float, seconds: float) -> float:
    """Return when the current one of consecutive periods of so many seconds ends."""
    return (now // seconds + 1) * seconds
