"""Times of day at which something happened on this host, whose clock may be set later. Pure."""

from math import ceil, inf
from typing import NamedTuple


class Moment(NamedTuple):
    """
    A time of day. A signed one stays as it is. One of this host's own is kept on the clock that
    does not jump as well: if the time of day is set, the moment moves with it, so it stays between
    what was before it and what comes after it.

    @ivar stamp: milliseconds since 1970, at most; infinity if only C{at} counts.
    @ivar at: on the clock that does not jump, at most; L{None} if it was signed.
    """

    stamp: float
    at: float | None = None

    @classmethod
    def own(cls, now: float) -> "Moment":
        """Return a moment of this host's own."""
        return cls(inf, now)

    def read(self, now: float, today: float) -> float:
        """Return the time of day, in milliseconds since 1970."""
        if self.at is None:
            return self.stamp
        return min(self.stamp, ceil(1000 * (today - (now - self.at))))

    def join(self, other: "Moment | None") -> "Moment":
        """Return a moment that is never before either of two, whatever happens to the clock."""
        if other is None:
            return self
        at = max(self.at, other.at) if self.at is not None and other.at is not None else None
        return Moment(max(self.stamp, other.stamp), at)
