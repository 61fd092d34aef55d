"""What is true of a fleet, as one of its hosts sees it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pkdoors.config.fleet import FleetConfig
from pkdoors.fleet.overview.orderlist import ShownOrder
from pkdoors.fleet.overview.survey import Survey

UNIT = "pkdoors-fleet"
"""The service that connects a host with the engine."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """
    What the engine showed.

    @ivar trouble: why it showed nothing; empty if it did.
    @ivar survey: L{None} if there was a trouble.
    @ivar canReadAll: whether this host may read what does not belong to the fleet.
    @ivar canWriteAll: whether this host may write for other hosts.
    @ivar isOpenToAll: whether the engine answers those that do not log in.
    """

    trouble: str = ""
    survey: Survey | None = None
    canReadAll: bool = False
    canWriteAll: bool = False
    isOpenToAll: bool = False


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """
    All of it.

    @ivar file: the fleet's configuration file.
    @ivar doors: the names of this host's fleet doors.
    @ivar operators: how many keys can give orders.
    @ivar complaints: what is wrong with the file of operators, a sentence each.
    @ivar orders: those in the engine.
    @ivar isServiceOn: whether systemd runs the fleet's process, or starts it at boot; L{None} if
        it is unknown.
    @ivar clockSkew: the least of the doors, in seconds; 0 if there is no door.
    """

    fleet: FleetConfig
    file: str
    engine: EngineFacts
    doors: Sequence[str] = ()
    operators: int = 0
    complaints: Sequence[str] = ()
    orders: Sequence[ShownOrder] = field(default_factory=tuple)
    isServiceOn: bool | None = None
    clockSkew: float = 0.0
