"""What a daemon finds of our table in the kernel. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pkdoors.firewall.guard.guard import Guard, Present, Span
from pkdoors.firewall.guard.sets import (
    FORMAT,
    PORT_SETS,
    PROTOCOLS,
    aboutDoor,
    originNote,
    setsFor,
    setsOf,
)
from pkdoors.firewall.guard.trusted import isTrustedSet
from pkdoors.firewall.netlink.dump import Table
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange, mergeRanges


@dataclass(frozen=True, slots=True)
class Survey:
    """
    @ivar table: the table; L{None} if it is not there.
    @ivar sets: the timeouts of sets and maps in milliseconds, by name.
    @ivar counters: the counts of named counters.
    @ivar ports: for C{tcp} and C{udp}, the protected ports.
    @ivar verdicts: likewise, the chain for ports.
    @ivar trusted: the keys of trusted networks and interfaces, by the names of their sets.
    @ivar notes: the comments in the set L{pkdoors.firewall.guard.sets.ABOUT}.
    """

    table: Table | None = None
    chains: frozenset[str] = frozenset()
    sets: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[str, Collection[Span]] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[Span, str]] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()
    trusted: Mapping[str, frozenset[bytes]] = field(default_factory=dict)

    @property
    def isOurs(self) -> bool:
        """Whether this is a guard of this version, which can be changed in place."""
        return self.table is not None and FORMAT in self.notes

    def protected(self) -> tuple[PortRange, ...]:
        """Return the ports that the table keeps closed."""
        return mergeRanges(
            PortRange(protocol, *span) for protocol in PROTOCOLS for span in self.ports[protocol]
        )

    def origin(self, boot: str) -> str:
        """
        Return a text that differs between this table and one that was saved and loaded again: that
        has another handle, and may come from another boot.
        """
        return f"{boot} {self.table.handle if self.table is not None else 0}"

    def isOf(self, boot: str) -> bool:
        """Return whether the table's openings were granted in this boot, and in this very table."""
        return originNote(self.origin(boot)) in self.notes

    def knows(self, door: Door) -> bool:
        """Return whether the table has this door, with the same ports."""
        return aboutDoor(door) in self.notes

    def setsToRetime(self, doors: Iterable[Door]) -> set[str]:
        """Return the sets whose timeout must change: the kernel cannot change it in place."""
        return {
            name
            for name, definition in setsFor(doors).items()
            if name in self.sets and self.sets[name] != round(1000 * definition.timeout)
        }

    def present(self, guard: Guard, boot: str) -> Present:
        """
        Return what the kernel has for a new guard. Sets whose content is not valid are stale: those
        of another boot, those of a door that had other ports, because its openings were granted for
        those, and those whose timeout changes.
        """
        stale = self.setsToRetime(guard.doors)
        if not self.isOf(boot):
            stale |= setsFor(guard.doors, guard.networks).keys()
        for door in guard.doors:
            if not self.knows(door):
                stale |= setsOf(door, guard.networks).keys()
        # What the configuration alone determines is changed in place instead.
        stale -= {*PORT_SETS.values(), *filter(isTrustedSet, stale)}
        return Present(
            self.chains,
            frozenset(self.sets),
            frozenset(self.counters),
            frozenset(stale & self.sets.keys()),
            self.ports,
            self.verdicts,
            self.trusted,
        )
