"""TCP knocks that are sent again: the client's kernel does that, and each counts once. Pure."""

from collections.abc import Hashable

from pkdoors.locks._penalties import Penalties

SENT_AGAIN = 80.0
"""Seconds in which a SYN may be sent again: Linux sends its last one after 63 s, or since version
6.5 after 70 s, because of C{tcp_syn_linear_timeouts}."""


class Repeats:
    """
    Remembers TCP knocks for L{SENT_AGAIN}, in a table of fixed size. A flood from invented sources
    makes it forget some of them, see L{pkdoors.locks._penalties.MAX_PENALTIES}: then a knock that
    is sent again counts as a new one.
    """

    def __init__(self) -> None:
        self._seen = Penalties()

    def isRepeat(self, knock: Hashable, now: float) -> bool:
        """
        Return whether a knock was seen before, and remember it.

        @param knock: what makes it different from all other knocks: its source and its port, the
            port that it came from, and its sequence number.
        @param now: on a clock that does not jump.
        """
        if now < self._seen.findEnd(knock):
            return True
        self._seen.put(knock, now + SENT_AGAIN)
        return False
