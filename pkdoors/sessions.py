"""The TCP connections that exist, out of the kernel's sockets. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pkdoors.doors import Address
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
    ports = [each for each in ports if each.protocol == "tcp"]
    for each in socketsIn(listing):
        if each.state == ESTABLISHED and any(p.first <= each.port <= p.last for p in ports):
            yield Session(*each.peer, each.port)
