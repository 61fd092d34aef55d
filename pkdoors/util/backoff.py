"""How long to wait before trying again after a failure. Pure."""


class BackOff:
    """
    Waits that double.

    @param first: seconds of the first wait.
    @param last: seconds of the longest wait.
    """

    __slots__ = ("_first", "_last", "_next")

    def __init__(self, first: float, last: float) -> None:
        self._first = first
        self._last = last
        self._next = first

    def next(self) -> float:
        """Return the seconds to wait after one more failure."""
        seconds, self._next = self._next, min(2 * self._next, self._last)
        return seconds

    def reset(self) -> None:
        """Begin with the first wait again, because all is well."""
        self._next = self._first
