"""What an operator can do with a running daemon, whatever the request comes through."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pkdoors.doorkeeper.state import Snapshot
from pkdoors.events.counters import Counters
from pkdoors.events.event import Event

if TYPE_CHECKING:  # loaded when somebody asks, which most daemons never see
    from pkdoors.admin.records import (
        ClosedRecord,
        OpenedRecord,
        OpeningsRecord,
        ReloadedRecord,
        StatusRecord,
    )


class AdminOperations(Protocol):
    """
    The daemon, for its operator. An operation that fails raises a L{pkdoors.errors.PkdoorsError},
    and has then changed nothing.
    """

    counters: Counters

    def state(self) -> Snapshot:
        """Return the doorkeeper's state."""

    def status(self) -> "StatusRecord":
        """Return all that an operator may want to know at a glance."""

    def openings(self, door: str = "", source: str = "") -> "OpeningsRecord":
        """Return the openings of a door, for an address, or (if both are empty) all of them."""

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> "OpenedRecord":
        """
        Open a door for an address.

        @param door: its name; empty if there is only one.
        @param seconds: 0 for the door's own time.
        """

    async def close(self, door: str = "", source: str = "") -> "ClosedRecord":
        """Close the openings of a door, for an address, or (if both are empty) all of them."""

    async def reload(self) -> "ReloadedRecord":
        """Read the configuration again, and apply it."""

    def subscribe(self, hear: Callable[[Event], None]) -> Callable[[], None]:
        """Call C{hear} with each event from now on. Call what is returned to end that."""
