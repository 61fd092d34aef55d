"""What becomes of a request. Pure."""

from typing import NamedTuple

OPENED, EXTENDED, CLOSED, REFUSED = "opened", "extended", "closed", "refused"
NOTHING = "nothing"
"""The door is open for at least as long already."""
OVER = "over"
"""The time of the request is over."""


class Outcome(NamedTuple):
    """
    What becomes of one request. The firewalls may still be busy with it, or refuse.

    @ivar result: one of the words above.
    @ivar reason: why it is refused, as half a sentence; otherwise empty.
    """

    result: str
    reason: str = ""
