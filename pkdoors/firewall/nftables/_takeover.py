"""The guard that an earlier daemon of any version left in the kernel."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from twisted.logger import Logger

from pkdoors.firewall.earlier.oldguard import (
    OldSession,
    readLivingSessions,
    readOpenings,
    readProtected,
)
from pkdoors.firewall.guard.guard import TABLE
from pkdoors.firewall.guard.portgroups import overlay
from pkdoors.firewall.netlink.flows import Tracked, isOn
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import PortRange
from pkdoors.util.durations import formatDuration

_log = Logger()


@dataclass(frozen=True, slots=True)
class Predecessor:
    """
    The guard that was there before.

    @ivar isThere: whether there was a table of our name.
    @ivar isStrange: whether that table was not one of ours.
    @ivar protected: the ports that it kept closed.
    @ivar openings: its openings that are still valid.
    @ivar living: the connections that existed before a guard of the previous version, which does
        not know which others it let in; L{None} for a guard of this version.
    """

    isThere: bool = False
    isStrange: bool = False
    protected: Collection[PortRange] = ()
    openings: list[Opening] = field(default_factory=list)
    living: frozenset[OldSession] | None = None

    def isNew(self, protocol: str, port: int) -> bool:
        """
        Return whether no guard of this version has protected a port yet. Then no guard remembers
        the connections on ways that lead past that port.
        """
        return self.living is not None or not isOn(self.protected, protocol, port)

    def isSpared(self, tracked: Tracked, doors: Collection[Door]) -> bool:
        """Return whether an existing connection must be spared by the new guard."""
        flow = tracked.flow
        if not any(isOn(self.protected, flow.protocol, port) for port in tracked.ports):
            return True
        if self.living is None:
            return False  # the kernel's own sets remember it
        cut = [ports for door in doors if door.cutSessions for ports in door.ports]
        ports = tracked.ports
        if any(OldSession(flow.source, flow.sourcePort, port) in self.living for port in ports):
            return True
        return not any(isOn(cut, flow.protocol, port) for port in ports)


def readOldGuard(listing: str, doors: Collection[Door], now: float, isSettled: bool) -> Predecessor:
    """
    Return the guard that a daemon of the previous version left.

    @param listing: our table, as C{nft -j list} prints it.
    @param isSettled: whether the host booted some time ago: soon after a boot the table may come
        from a saved ruleset, so its openings do not count.
    """
    try:
        living, protected = frozenset(readLivingSessions(listing)), readProtected(listing)
        # An opening of that version lets in any number of connections.
        many = [door for door in doors if not door.once]
        openings = readOpenings(listing, many, now) if isSettled else []
        return Predecessor(True, not protected, protected, openings, living)
    except (ValueError, LookupError, TypeError):
        return Predecessor(isThere=True, isStrange=True)


def warnAbout(predecessor: Predecessor, protected: Collection[PortRange]) -> None:
    """
    Log what an operator may not expect of a change of guards.

    @param protected: the ports that the new guard keeps closed.
    """
    if predecessor.isStrange:
        _log.warn(
            "the table inet {table} that was there before does not belong to pkdoors: replaced",
            table=TABLE,
        )
    opened = [ports for ports in predecessor.protected if not any(map(ports.isWithin, protected))]
    if opened:
        _log.warn(
            "{ports}: an earlier daemon kept this closed, but this one does not protect it: "
            "it is open from now on, unless another firewall closes it",
            ports=", ".join(map(str, opened)),
        )


def graceFor(doors: Iterable[Door]) -> dict[PortRange, float]:
    """
    Return the UDP ports that stay open for a while, and for how many seconds. UDP has no
    connections, so without connection tracking nobody knows which clients are using a port.
    """
    graces = (
        (ports.first, ports.last, [door.udpGrace])
        for door in doors
        for ports in door.ports
        if ports.protocol == "udp"
    )
    udp = {
        PortRange("udp", first, last): min(found)
        for first, last, found in overlay(graces)
        if min(found)
    }
    if udp:
        _log.info(
            "{ports}: protected for the first time, and it is unknown who uses it: it stays "
            "open for {length}, so that its present clients are not cut",
            ports=", ".join(map(str, udp)),
            length=formatDuration(max(udp.values())),
        )
    return udp
