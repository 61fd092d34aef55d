"""What the operator can do with a daemon that runs, whatever the way there."""

from collections.abc import Callable
from typing import Any, Protocol

from pkdoors.doorkeeper.state import Snapshot
from pkdoors.events.counters import Counters
from pkdoors.events.event import Event

Json = dict[str, Any]
"""
An answer, to be written as JSON; docs/admin.md has them all. In place of a list there may be an
iterator, which makes the items as they are written: there may be thousands.
"""


class AdminOperations(Protocol):
    """
    The daemon, to its operator. What cannot be done raises a L{pkdoors.errors.PkdoorsError}, and
    then nothing was changed.
    """

    counters: Counters

    def state(self) -> Snapshot:
        """How things stand."""

    def status(self) -> Json:
        """All that the operator may want to know at a glance."""

    def openings(self, door: str = "", source: str = "") -> Json:
        """The openings of a door, for an address, or (empty) all."""

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> Json:
        """Open a door, which need not be named where there is one only, for 0 or more seconds."""

    async def close(self, door: str = "", source: str = "") -> Json:
        """Close the openings of a door, for an address, or (empty) all."""

    async def reload(self) -> Json:
        """Read the configuration anew, and put it in place."""

    def subscribe(self, hear: Callable[[Event], None]) -> Callable[[], None]:
        """Have all events told from now on. What is returned ends it."""
