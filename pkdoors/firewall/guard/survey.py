"""What a daemon finds of our table in the kernel. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.guard.layout import Elements, Present
from pkdoors.firewall.guard.portgroups import Span
from pkdoors.firewall.guard.sets import FORMAT, PROTOCOLS, originNote, setsFor
from pkdoors.firewall.netlink.dump import Table
from pkdoors.model.ports import PortRange, mergeRanges


@dataclass(frozen=True, slots=True)
class Survey:
    """
    @ivar table: the table; L{None} if it is not there.
    @ivar sets: the names of sets and maps.
    @ivar counters: the names of counters.
    @ivar ports: for C{tcp} and C{udp}, the protected ports.
    @ivar notes: the comments in the set L{pkdoors.firewall.guard.sets.ABOUT}.
    """

    table: Table | None = None
    chains: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()
    ports: Mapping[str, Collection[Span]] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()

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

    def present(self, guard: Guard, boot: str, elements: Mapping[str, Elements]) -> Present:
        """
        Return what the kernel has for a new guard.

        @param elements: what the sets have whose elements follow from the configuration alone.
        """
        stale: set[str] = set()
        if not self.isOf(boot):  # openings and flows of another boot are not valid
            stale = {
                name
                for name, each in setsFor(guard.doors, guard.networks).items()
                if each.isOpenings or each.timeout
            }
        return Present(self.chains, self.sets, self.counters, stale & self.sets, elements)
