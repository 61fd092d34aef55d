"""Finds the connections that exist before the guard does: they are spared."""

import os
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import DirectWay
from pkdoors.firewall.netlink.flows import Tracked, askConntrack, isOn, readSocketFlows, readTracked
from pkdoors.firewall.netlink.kernel import borrowKernel
from pkdoors.model.ports import PortRange


def readSockets() -> list[str]:
    """
    Return the kernel's lists of TCP connections, over IPv4 and, if it has that, IPv6.

    @raise FirewallError: they cannot be read, so it is unknown which connections must go on.
    """
    folder = Path("/proc/self/net")  # not /proc/net: a sandboxed service cannot see that
    try:
        over6 = [folder / "tcp6"] if (folder / "tcp6").exists() else []
        return [file.read_text() for file in (folder / "tcp", *over6)]
    except OSError as error:
        raise FirewallError(
            f"cannot read {error.filename} ({error.strerror}), which lists the connections that "
            "must not be cut: allow pkdoors to read it"
        ) from error


def readConntrack() -> list[tuple[int, bytes]]:
    """Return the kernel's list of all tracked connections; empty if it tracks none."""
    with borrowKernel() as kernel, suppress(FirewallError):  # no conntrack, or it is not shown
        return kernel.dump(askConntrack())
    return []


def readUptime() -> float:
    """Return the seconds since the first process of this host, or container, has started."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        fields = Path("/proc/1/stat").read_text().rpartition(")")[2].split()
        return now - int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22, starttime
    except (OSError, ValueError, IndexError):  # a service may not see others' processes
        return now


class LiveFlows:
    """
    The connections at the moment when this is made.

    @ivar untracked: the versions of IP, 4, 6 or both, over which nothing is tracked, so it is
        unknown which UDP flows exist.
    """

    def __init__(
        self,
        readSockets: Callable[[], list[str]] = readSockets,
        readConntrack: Callable[[], list[tuple[int, bytes]]] = readConntrack,
    ) -> None:
        self._listings = readSockets()
        self._tracked = list(readTracked(readConntrack()))
        self.untracked = {4, 6} - {tracked.flow.source.version for tracked in self._tracked}

    def ofWays(self, ways: Iterable[DirectWay]) -> set[Tracked]:
        """Return the connections on ways that lead past protected ports."""
        wanted = {(way.protocol, way.address, way.port) for way in ways}
        return {
            tracked
            for tracked in self._tracked
            if (tracked.flow.protocol, tracked.flow.address, tracked.flow.port) in wanted
        }

    def ofPorts(self, ports: Collection[PortRange]) -> set[Tracked]:
        """
        Return the connections to some ports: those to sockets of this host, and forwarded ones.
        """
        byFlow = {tracked.flow: tracked for tracked in self._tracked}
        sockets = {socket for text in self._listings for socket in readSocketFlows(text, ports)}
        return {byFlow.get(socket.flow, socket) for socket in sockets} | {
            tracked
            for tracked in self._tracked
            if any(isOn(ports, tracked.flow.protocol, port) for port in tracked.ports)
        }
