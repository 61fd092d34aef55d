"""Reads what the kernel reports about this host in C{/proc}; C{proc(5)}."""

import re
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pkdoors.host.procnet import Socket, parseSockets

_LEGACY = {"ip_tables_names": "iptables-legacy", "ip6_tables_names": "ip6tables-legacy"}
_JUDGED = ("filter", "nat")
"""The tables that matter here: their rules close ports, or forward them."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has a socket."""

    pid: int
    name: str


class Proc:
    """
    @param root: the folder C{/proc}.
    """

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root

    def readStatus(self) -> str:
        """Return the status of this process."""
        return (self._root / "self/status").read_text()

    def readSockets(self, protocol: str) -> list[Socket]:
        """Return the sockets of C{"tcp"} or C{"udp"}, over IPv4 and, if the kernel has it, IPv6."""
        files = [self._root / "net" / name for name in (protocol, f"{protocol}6")]
        return [
            found for file in files if file.exists() for found in parseSockets(file.read_text())
        ]

    def findOwners(self, inodes: Container[int]) -> dict[int, Owner]:
        """Return the owners of some sockets, as far as this process may see them."""
        return {inode: owner for inode, owner in self._listOwners() if inode in inodes}

    def _listOwners(self) -> Iterator[tuple[int, Owner]]:
        for process in self._root.glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is another user's
                for file in (process / "fd").iterdir():
                    match = re.fullmatch(r"socket:\[(\d+)\]", str(file.readlink()))
                    if match:
                        name = (process / "comm").read_text(errors="replace").strip()
                        yield int(match[1]), Owner(int(process.name), name)

    def hasIPv6(self) -> bool:
        """Return whether the kernel has IPv6, and it is on."""
        file = self._root / "sys/net/ipv6/conf/all/disable_ipv6"
        return file.exists() and file.read_text().strip() == "0"

    def countTracked(self) -> tuple[int, int] | None:
        """Return how many connections are tracked, and the limit; L{None} if tracking is off."""
        folder = self._root / "sys/net/netfilter"
        files = [folder / f"nf_conntrack_{name}" for name in ("count", "max")]
        if not all(file.exists() for file in files):
            return None
        count, most = (int(file.read_text()) for file in files)
        return count, most

    def readCookies(self) -> int:
        """Return the setting C{net.ipv4.tcp_syncookies}; 0 if the kernel does not have it."""
        file = self._root / "sys/net/ipv4/tcp_syncookies"
        return int(file.read_text()) if file.exists() else 0

    def listLegacyTables(self) -> list[tuple[str, str]]:
        """Return the tables of the old iptables that exist, each with the command that shows it."""
        return [
            (table, f"{program} -t {table} -S")
            for name, program in _LEGACY.items()
            if (file := self._root / "net" / name).exists()
            for table in file.read_text().split()
            if table in _JUDGED
        ]
