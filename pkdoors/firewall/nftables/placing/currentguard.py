"""The guard as it should be in the kernel now."""

from collections.abc import Collection
from dataclasses import replace

from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.guard.openingsets import networkScopes, scopeOf
from pkdoors.firewall.nftables._counting import KnockCounts
from pkdoors.firewall.nftables.capturing import Capturing
from pkdoors.firewall.nftables.placing.placer import GuardPlacer
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Door, Opening, listProtectedPorts
from pkdoors.model.ports import PortRange
from pkdoors.model.sources import isNetwork


class CurrentGuard:
    """
    @ivar guard: the guard as it should be; a reload has one of its own until it is in place.
    @ivar protected: the ports that the kernel keeps closed.
    @ivar isDoubtful: whether somebody has changed what was granted.
    @ivar capturing: how knocks get into the kernel's packet log; L{None} if sockets hear them.
    @ivar counts: how many knocks the kernel has dropped.
    """

    def __init__(self, placer: GuardPlacer, capturing: Capturing | None) -> None:
        self._placer = placer
        self._table: GuardTable
        self._foreseen = self.guard = Guard(())
        self.protected: Collection[PortRange] = ()
        self.isDoubtful = False
        self.capturing = capturing
        self.counts = KnockCounts()

    def start(self, table: GuardTable) -> None:
        """Begin to work with a table."""
        self._table = table

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """Compute what a guard of other doors will need."""
        guard = replace(self.guard, doors=doors)
        _ = (guard.layout, (self._placer.placed or guard).layout)
        self._foreseen = guard

    def withLayout(self, guard: Guard) -> Guard:
        """Return a guard, or an equal one whose layout is there already."""
        for known in (self._foreseen, self._placer.placed):
            if known == guard:
                guard = known
        return guard

    def count(self) -> None:
        """Add what the kernel has counted since the last call."""
        if self._placer.hasStarted:
            self.counts.add(self._table.readCounts())

    def isCertain(self, opening: Opening) -> bool:
        """
        Return whether an opening can be put in place again. One for one connection can not be if
        somebody else has changed the guard, because it may have been used; nor if it has not been
        there yet, because putting it there grants it.
        """
        return not opening.door.once or (self._placer.openings.has(opening) and not self.isDoubtful)

    def put(self, openings: list[Opening], flows: Books | None = None) -> None:
        """Put the guard in place, see L{GuardPlacer.put}."""
        self.refreshCapture()
        # Only here do sets that no opening needs any more go: until then they cost little.
        self.guard = replace(self.guard, networks=networkScopes(openings))
        self.guard = self.withLayout(self.guard)
        self._placer.put(self.guard, openings, flows)
        self.onPlaced(self.guard)

    def refreshCapture(self) -> None:
        """Have knocks heard on the interfaces that there are now."""
        self.count()  # before the new counters begin at 0
        if self.capturing is not None and self.guard.capture is not None:
            capture = self.capturing.refresh(self.guard.capture)
            self.guard = replace(self.guard, capture=capture)

    def onPlaced(self, guard: Guard, protected: Collection[PortRange] | None = None) -> None:
        """Note that the kernel has a guard now, which keeps these ports closed."""
        self.protected = listProtectedPorts(guard.doors) if protected is None else protected
        self.isDoubtful = False

    def compares(self, opening: Opening) -> bool:
        """Return whether the kernel compares as many bits of addresses as an opening needs."""
        return not isNetwork(opening.source) or self.guard.compares(scopeOf(opening.source))

    def addScope(self, opening: Opening) -> None:
        """Have the kernel compare as many bits of addresses as an opening needs."""
        if not self.compares(opening):
            self.guard = self._placer.addScope(self.guard, scopeOf(opening.source))
