"""The connections that exist before there is a guard: they are spared."""

import os
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flows import Tracked, askConntrack, isOn, readSocketFlows, readTracked
from pkdoors.firewall.guard.guard import DirectWay
from pkdoors.firewall.netlink.kernel import Kernel
from pkdoors.model.ports import PortRange


def readSockets() -> list[str]:
    """
    Return what the kernel tells of TCP connections, over IPv4 and, if it has that, IPv6.

    @raise FirewallError: it does not tell, so nobody knows whose connections must live on.
    """
    folder = Path("/proc/self/net")  # and not /proc/net: a sandboxed service does not see that
    try:
        over6 = [folder / "tcp6"] if (folder / "tcp6").exists() else []
        return [file.read_text() for file in (folder / "tcp", *over6)]
    except OSError as error:
        raise FirewallError(
            f"cannot read {error.filename} ({error.strerror}), which lists the connections that "
            "must not be cut: allow pkdoors to read it"
        ) from error


def readConntrack() -> list[tuple[int, bytes]]:
    """Return all tracked connections, as the kernel tells them; none where it tracks nothing."""
    kernel = Kernel()
    try:
        with suppress(FirewallError):  # it has no conntrack, or does not show it
            return kernel.dump(askConntrack())
        return []
    finally:
        kernel.close()


def readUptime() -> float:
    """Return the seconds since this host, or container, has started: its first process."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        fields = Path("/proc/1/stat").read_text().rpartition(")")[2].split()
        return now - int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22, starttime
    except (OSError, ValueError, IndexError):  # others' processes are hidden from a service
        return now


class LiveFlows:
    """
    Looks once: what it finds is of one moment.

    @ivar untracked: 4, 6 or both: over these IPs connection tracking is not at work, so that nobody
        knows which UDP flows there are.
    """

    def __init__(
        self,
        readSockets: Callable[[], list[str]] = readSockets,
        readConntrack: Callable[[], list[tuple[int, bytes]]] = readConntrack,
    ) -> None:
        self._listings = readSockets()
        self._tracked = list(readTracked(readConntrack()))
        self.untracked = {4, 6} - {each.flow.source.version for each in self._tracked}

    def ofWays(self, ways: Iterable[DirectWay]) -> set[Tracked]:
        """Return the connections on ways that lead past protected ports."""
        wanted = {(each.protocol, each.address, each.port) for each in ways}
        return {
            each
            for each in self._tracked
            if (each.flow.protocol, each.flow.address, each.flow.port) in wanted
        }

    def ofPorts(self, ports: Collection[PortRange]) -> set[Tracked]:
        """Return the connections to some ports: to sockets of ours, and forwarded ones."""
        tracked = {each.flow: each for each in self._tracked}
        sockets = {each for text in self._listings for each in readSocketFlows(text, ports)}
        return {tracked.get(each.flow, each) for each in sockets} | {
            each
            for each in self._tracked
            if any(isOn(ports, each.flow.protocol, port) for port in each.ports)
        }
