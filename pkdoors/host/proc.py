"""What the kernel tells of this host in C{/proc}; C{proc(5)}. Nothing is changed there."""

import re
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pkdoors.host.procnet import Socket, parseSockets

_LEGACY = {"ip_tables_names": "iptables-legacy", "ip6_tables_names": "ip6tables-legacy"}
_JUDGED = ("filter", "nat")
"""The tables whose rules may matter: they close ports, and forward them."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has a socket."""

    pid: int
    name: str


class Proc:
    """
    @param root: where C{/proc} is.
    """

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root

    def status(self) -> str:
        """What is known of this process."""
        return (self._root / "self/status").read_text()

    def sockets(self, protocol: str) -> list[Socket]:
        """The sockets of C{"tcp"} or C{"udp"}, over IPv4 and, where the kernel has that, IPv6."""
        files = [self._root / "net" / name for name in (protocol, f"{protocol}6")]
        return [each for file in files if file.exists() for each in parseSockets(file.read_text())]

    def owners(self, inodes: Container[int]) -> dict[int, Owner]:
        """Who has some sockets, as far as this process may see that."""
        return {inode: owner for inode, owner in self._owners() if inode in inodes}

    def _owners(self) -> Iterator[tuple[int, Owner]]:
        for process in self._root.glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is another user's
                for file in (process / "fd").iterdir():
                    match = re.fullmatch(r"socket:\[(\d+)\]", str(file.readlink()))
                    if match:
                        name = (process / "comm").read_text(errors="replace").strip()
                        yield int(match[1]), Owner(int(process.name), name)

    def hasIPv6(self) -> bool:
        """Whether IPv6 is there, and on."""
        file = self._root / "sys/net/ipv6/conf/all/disable_ipv6"
        return file.exists() and file.read_text().strip() == "0"

    def tracked(self) -> tuple[int, int] | None:
        """The connections that are tracked, and how many can be; L{None} where that is off."""
        folder = self._root / "sys/net/netfilter"
        files = [folder / f"nf_conntrack_{name}" for name in ("count", "max")]
        if not all(file.exists() for file in files):
            return None
        count, most = (int(file.read_text()) for file in files)
        return count, most

    def cookies(self) -> int:
        """Return the setting C{net.ipv4.tcp_syncookies}; 0 if the kernel does not have it."""
        file = self._root / "sys/net/ipv4/tcp_syncookies"
        return int(file.read_text()) if file.exists() else 0

    def legacyTables(self) -> list[tuple[str, str]]:
        """Return tables of the old iptables that have been made, each with the command that shows
        it; none if there are none."""
        return [
            (table, f"{program} -t {table} -S")
            for name, program in _LEGACY.items()
            if (file := self._root / "net" / name).exists()
            for table in file.read_text().split()
            if table in _JUDGED
        ]
