"""What the kernel has of our table, as a daemon finds it. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pkdoors.firewall.guard.guard import Present, Span
from pkdoors.firewall.guard.sets import (
    FORMAT,
    PORT_SETS,
    PROTOCOLS,
    aboutDoor,
    originNote,
    setsFor,
    setsOf,
)
from pkdoors.firewall.netlink.dump import Table
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange, merged


@dataclass(frozen=True, slots=True)
class Survey:
    """
    @ivar table: L{None} if there is none.
    @ivar sets: names of sets and maps, with their timeouts in milliseconds.
    @ivar counters: what named counters have counted.
    @ivar ports: for C{tcp} and C{udp}, the ports that are protected.
    @ivar verdicts: likewise, the chain for some ports.
    @ivar notes: what the set L{pkdoors.firewall.guard.sets.ABOUT} says.
    """

    table: Table | None = None
    chains: frozenset[str] = frozenset()
    sets: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[str, Collection[Span]] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[Span, str]] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()

    @property
    def isOurs(self) -> bool:
        """Whether it is a guard of this version, which can be replaced in place."""
        return self.table is not None and FORMAT in self.notes

    def protected(self) -> tuple[PortRange, ...]:
        """Return the ports that it keeps closed."""
        return merged(PortRange(each, *span) for each in PROTOCOLS for span in self.ports[each])

    def origin(self, boot: str) -> str:
        """Return what tells this table from one that was saved and is loaded again: that has
        another handle, and perhaps was made in another boot."""
        return f"{boot} {self.table.handle if self.table is not None else 0}"

    def isOf(self, boot: str) -> bool:
        """Return whether its openings were granted in this boot, and in this very table."""
        return originNote(self.origin(boot)) in self.notes

    def knows(self, door: Door) -> bool:
        """Return whether it has this door, with the same ports."""
        return aboutDoor(door) in self.notes

    def setsToRetime(self, doors: Collection[Door]) -> set[str]:
        """Return the sets whose timeout must change; the kernel cannot do that."""
        return {
            name
            for name, each in setsFor(doors).items()
            if name in self.sets and self.sets[name] != round(1000 * each.timeout)
        }

    def present(self, doors: Collection[Door], boot: str) -> Present:
        """
        Return what the new guard of these doors finds. Sets whose content does not count are made
        again: those of another boot, those of a door that had other ports, since its openings were
        granted for these, and those whose timeout changes.
        """
        stale = self.setsToRetime(doors)
        if not self.isOf(boot):
            stale |= setsFor(doors).keys()
        for door in doors:
            if not self.knows(door):
                stale |= setsOf(door).keys()
        return Present(
            self.chains,
            frozenset(self.sets),
            frozenset(self.counters),
            frozenset(stale & self.sets.keys() - {*PORT_SETS.values()}),
            self.ports,
            self.verdicts,
        )
