"""What a daemon before this one left in the kernel, whatever its version."""

from collections.abc import Collection
from dataclasses import dataclass, field

from pkdoors.firewall.guard.flows import Tracked, isOn
from pkdoors.firewall.guard.oldguard import (
    OldSession,
    readLivingSessions,
    readOpenings,
    readProtected,
)
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import PortRange


@dataclass(frozen=True, slots=True)
class Predecessor:
    """
    @ivar isThere: whether there was a table of our name.
    @ivar isStrange: whether it was none of ours.
    @ivar protected: the ports that it kept closed.
    @ivar openings: those that still count.
    @ivar living: of a guard of the version before, the connections that were there before it; that
        one does not know which others it let in. L{None} for one of this version.
    """

    isThere: bool = False
    isStrange: bool = False
    protected: Collection[PortRange] = ()
    openings: list[Opening] = field(default_factory=list)
    living: frozenset[OldSession] | None = None

    def isNew(self, protocol: str, port: int) -> bool:
        """Return whether a guard of this version did not protect a port yet: then nobody has let in
        the connections on ways that lead past it, and nobody remembers them."""
        return self.living is not None or not isOn(self.protected, protocol, port)

    def isSpared(self, tracked: Tracked, doors: Collection[Door]) -> bool:
        """Return whether a connection that exists goes on under the new guard."""
        flow = tracked.flow
        if not any(isOn(self.protected, flow.protocol, port) for port in tracked.ports):
            return True
        if self.living is None:
            return False  # the kernel's sets know
        cut = [ports for door in doors if door.cutSessions for ports in door.ports]
        ports = tracked.ports
        if any(OldSession(flow.source, flow.sourcePort, port) in self.living for port in ports):
            return True
        return not any(isOn(cut, flow.protocol, port) for port in ports)


def readOldGuard(listing: str, doors: Collection[Door], now: float, isSettled: bool) -> Predecessor:
    """
    Return what a daemon of the version before left.

    @param listing: our table, as C{nft -j list} prints it.
    """
    try:
        living, protected = frozenset(readLivingSessions(listing)), readProtected(listing)
        openings = readOpenings(listing, doors, now) if isSettled else []
        return Predecessor(True, not protected, protected, openings, living)
    except (ValueError, LookupError, TypeError):
        return Predecessor(isThere=True, isStrange=True)
