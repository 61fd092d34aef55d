"""
The TCP connections that exist, as the kernel tells them in C{/proc/net/tcp} and C{tcp6}; see
C{proc(5)}. Pure.
"""

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from pkdoors.doors import Address, Door
from pkdoors.ports import PortRange

_ESTABLISHED = "01"
_WORD = struct.Struct("=I")


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

    @param listing: the content of one of the two files.
    """
    ports = list(ports)
    for line in listing.splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        port = int(local.partition(":")[2], 16)
        if state == _ESTABLISHED and _isOn(ports, port):
            address, _, sourcePort = remote.partition(":")
            yield Session(_address(address), int(sourcePort, 16), port)


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
    return [each for each in now if spared is None or each in spared or not _isOn(cut, each.port)]


def _isOn(ports: Iterable[PortRange], port: int) -> bool:
    return any(PortRange("tcp", port, port).overlaps(each) for each in ports)


def _address(text: str) -> Address:
    """An address as the kernel prints it: words of 32 bits, each in the host's byte order."""
    words = (int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    raw = b"".join(map(_WORD.pack, words))
    if len(raw) == 4:
        return IPv4Address(raw)
    address = IPv6Address(raw)
    return address.ipv4_mapped or address
