"""
The sockets of this host, as the kernel lists them in C{/proc/net/tcp}, C{tcp6}, C{udp} and C{udp6};
see C{proc(5)}. Pure.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from pkdoors.model.addresses import Address

ESTABLISHED = "01"
BOUND = "07"
"""The state of a UDP socket that receives from everybody."""
LISTENS = "0A"
LIVE = frozenset(("01", "04", "05", "08", "09", "0B"))
"""The states of a TCP connection that can still carry data: established, or closed by one end."""

_WORD = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Socket:
    """
    The addresses stay as the kernel prints them until somebody asks for them: there may be very
    many sockets.

    @ivar port: our port.
    @ivar state: L{ESTABLISHED}, L{LISTENS}, ...
    @ivar inode: its number in C{/proc/PID/fd}; 0 if no process has it any more.
    @ivar here: our address, as the kernel prints it.
    @ivar there: the other end's address and port, as the kernel prints them.
    @ivar user: the number of the user who has made it.
    """

    port: int
    state: str
    inode: int
    here: str
    there: str
    user: int = 0

    @property
    def address(self) -> Address:
        """Return our address."""
        return parseAddress(self.here)

    @property
    def peer(self) -> tuple[Address, int]:
        """Return the other end's address and port."""
        address, _, port = self.there.partition(":")
        return parseAddress(address), int(port, 16)

    def isLocal(self) -> bool:
        """Return whether only this host itself can reach it."""
        return self.address.is_loopback


def parseSockets(listing: str) -> Iterator[Socket]:
    """
    Yield all sockets.

    @param listing: the content of one of the files.
    """
    for line in listing.splitlines()[1:]:
        _, local, remote, state, *rest = line.split()
        address, _, port = local.partition(":")
        yield Socket(int(port, 16), state, int(rest[5]), address, remote, int(rest[3]))


def parseAddress(text: str) -> Address:
    """Parse an address of C{/proc/net}: words of 32 bits, each in the host's byte order."""
    words = (int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    raw = b"".join(map(_WORD.pack, words))
    if len(raw) == 4:
        return IPv4Address(raw)
    address = IPv6Address(raw)
    return address.ipv4_mapped or address
