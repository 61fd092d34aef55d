"""What one host knows of its fleet: closings, bans, and the seals that it judged. Pure."""

from dataclasses import dataclass, field

from pkdoors.locks.relayed.bans import Bans
from pkdoors.locks.relayed.judged import JudgedSeals
from pkdoors.locks.relayed.tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class FleetMemory:
    """What all doors of a fleet on this host share."""

    tombstones: Tombstones = field(default_factory=Tombstones)
    bans: Bans = field(default_factory=Bans)
    judged: JudgedSeals = field(default_factory=JudgedSeals)
