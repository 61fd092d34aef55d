"""The TCP connections that exist, out of the kernel's sockets. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pkdoors.doors import Address, Door
from pkdoors.ports import PortRange
from pkdoors.sockets import ESTABLISHED, socketsIn


class Session(NamedTuple):
    """
    A connection to this host.

    @ivar source: the other end's address.
    @ivar sourcePort: the other end's port.
    @ivar port: our port.
    """

    source: Address
    sourcePort: int
    port: int


def sessionsIn(listing: str, ports: Iterable[PortRange]) -> Iterator[Session]:
    """
    The established connections to some of our ports.

    @param listing: the content of C{/proc/net/tcp} or C{tcp6}.
    """
    ports = list(ports)
    for each in socketsIn(listing):
        if each.state == ESTABLISHED and isOn(ports, each.port):
            yield Session(*each.peer, each.port)


def livingOn(
    now: Iterable[Session], before: Iterable[Session] | None, doors: Iterable[Door]
) -> list[Session]:
    """
    The connections that live on when a daemon starts. Where sessions are cut, those of an earlier
    daemon's knockers are not among them: they end with their openings.

    @param now: the established ones.
    @param before: those that lived on from the time before the first guard; L{None} where there
        was no guard yet, so that nobody had to knock.
    """
    spared = None if before is None else set(before)
    cut = [ports for door in doors if door.cutSessions for ports in door.ports]
    return [each for each in now if spared is None or each in spared or not isOn(cut, each.port)]


def isOn(ports: Iterable[PortRange], port: int) -> bool:
    """Whether a TCP port is one of these."""
    return any(PortRange("tcp", port, port).overlaps(each) for each in ports)
