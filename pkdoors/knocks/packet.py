"""
A knock as a packet on the wire: what is in an IP packet that came to a knock port. Pure.

Formats: RFC 791 (IPv4), RFC 8200 (IPv6 and its extension headers), RFC 768 (UDP), RFC 9293 (TCP).
"""

import struct
from ipaddress import IPv6Address
from typing import NamedTuple

IPV4, IPV6 = 0x0800, 0x86DD  # ETH_P_IP, ETH_P_IPV6
TCP, UDP = 6, 17  # IPPROTO_...

_IPV4_HEADER = struct.Struct("!BxHxxHxBxx4s4s")
"""
Version and length of the header, length of the packet, fragment, protocol, source, destination.
"""
_IPV6_HEADER = struct.Struct("!4xHBx16s16s")
"""Length of what follows, next header, source, destination."""
_USUAL = struct.Struct("!BxHxxHxBxx8sHHHH")
"""An IPv4 header without options, both addresses in one piece, and a UDP header."""
_UDP_HEADER = struct.Struct("!HHHH")
"""Source port, destination port, length, checksum."""
_TCP_HEADER = struct.Struct("!HHI4xBBxxH2x")
"""Source port, destination port, sequence number, length of the header, flags, checksum."""
_FLAGS, _SYN = 0x3F, 0x02  # all but those of ECN, which a SYN may have
_EXTENSIONS = {0, 43, 60, 135, 139, 140}
"""Hop-by-hop options, routing, destination options, mobility, HIP, shim6: each has its length."""
_FRAGMENT, _AUTHENTICATION = 44, 51
_MORE_OR_LATER = 0x3FFF  # more fragments follow, or this is not the first
_MAX_EXTENSIONS = 8


class Arrival(NamedTuple):
    """
    What came to a port.

    @ivar source: the sender's address, without a scope.
    @ivar destination: the address that it came to, 4 or 16 bytes.
    @ivar port: the port that it came to.
    @ivar protocol: L{TCP} or L{UDP}.
    @ivar payload: the datagram; empty for TCP.
    @ivar key: the source's port, and for TCP the sequence number: a SYN that is sent again has the
        same.
    """

    source: str
    destination: bytes
    port: int
    protocol: int
    payload: bytes
    key: tuple[int, int]


def readPacket(etherType: int, packet: bytes) -> Arrival | None:
    """
    Return what a packet brought; C{None} if it is cut off, a fragment, damaged (its checksum is
    wrong), or neither a UDP datagram nor a bare SYN. Nothing is raised, whatever the bytes.

    @param etherType: L{IPV4} or L{IPV6}.
    @param packet: from the IP header on.
    """
    if etherType == IPV4 and (usual := _readUsual(packet)) is not None:
        return usual
    found = _readIPv4(packet) if etherType == IPV4 else _readIPv6(packet)
    if found is None:
        return None
    source, destination, protocol, at, end = found
    if protocol == UDP:
        return _readUdp(packet, at, end, source, destination)
    return _readTcp(packet, at, end, source, destination) if protocol == TCP else None


def _readUsual(packet: bytes) -> Arrival | None:
    """
    Return what the usual packet brought, a sound UDP datagram over IPv4 without options; L{None}
    for any other. Under a flood, nearly all knocks are such packets.
    """
    if len(packet) < _USUAL.size:
        return None
    first, length, fragment, protocol, ends, sourcePort, port, size, checksum = _USUAL.unpack_from(
        packet
    )
    if (
        first != 0x45
        or protocol != UDP
        or fragment & _MORE_OR_LATER
        or not _USUAL.size <= 20 + size <= length <= len(packet)
        or not checksum
    ):
        return None
    # The addresses stand right before the datagram, so one sum has both; RFC 768.
    whole = int.from_bytes(packet[12 : 20 + size])
    if ((whole << 8 if size % 2 else whole) + UDP + size) % 0xFFFF:
        return None
    return Arrival(_spell(ends[:4]), ends[4:], port, UDP, packet[28 : 20 + size], (sourcePort, 0))


_Found = tuple[bytes, bytes, int, int, int]
"""Source, destination, protocol, where the payload begins and ends."""


def _readIPv4(packet: bytes) -> _Found | None:
    if len(packet) < 20:
        return None
    first, length, fragment, protocol, source, destination = _IPV4_HEADER.unpack_from(packet)
    at = (first & 15) * 4
    if first >> 4 != 4 or at < 20 or fragment & _MORE_OR_LATER or not at <= length <= len(packet):
        return None
    return source, destination, protocol, at, length


def _readIPv6(packet: bytes) -> _Found | None:
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return None
    length, kind, source, destination = _IPV6_HEADER.unpack_from(packet)
    at, end = 40, 40 + length
    if end > len(packet):
        return None
    for _ in range(_MAX_EXTENSIONS):
        if kind not in _EXTENSIONS and kind not in (_FRAGMENT, _AUTHENTICATION):
            return source, destination, kind, at, end
        if end - at < 8:
            return None
        size = 8 if kind == _FRAGMENT else (packet[at + 1] + 2) * 4
        if kind in _EXTENSIONS:
            size = (packet[at + 1] + 1) * 8
        if kind == _FRAGMENT and int.from_bytes(packet[at + 2 : at + 4]) & 0xFFF9:
            return None
        kind, at = packet[at], at + size
    return None


def _readUdp(packet: bytes, at: int, end: int, source: bytes, destination: bytes) -> Arrival | None:
    if end - at < 8:
        return None
    sourcePort, port, length, checksum = _UDP_HEADER.unpack_from(packet, at)
    if not 8 <= length <= end - at:
        return None
    datagram = packet[at : at + length]
    if not checksum and len(source) == 16:  # RFC 768: the sender made none; RFC 8200 wants one
        return None
    if checksum and not _isSound(source, destination, datagram, checksum, UDP):
        return None
    return Arrival(_spell(source), destination, port, UDP, datagram[8:], (sourcePort, 0))


def _readTcp(packet: bytes, at: int, end: int, source: bytes, destination: bytes) -> Arrival | None:
    """Read a SYN without data: a client begins every connection with one."""
    if end - at < _TCP_HEADER.size:
        return None
    sourcePort, port, sequence, length, flags, checksum = _TCP_HEADER.unpack_from(packet, at)
    if flags & _FLAGS != _SYN or (length >> 4) * 4 != end - at:
        return None
    if not _isSound(source, destination, packet[at:end], checksum, TCP):
        return None
    return Arrival(_spell(source), destination, port, TCP, b"", (sourcePort, sequence))


def _isSound(
    source: bytes, destination: bytes, datagram: bytes, checksum: int, protocol: int
) -> bool:
    """
    Return whether a checksum fits. The packet log comes before the kernel checks it, and sees what
    this host itself sends with the sum of the pseudo-header alone, which a device completes later.
    """
    pseudo = source + destination + struct.pack("!II", len(datagram), protocol)
    if _sum(pseudo) == checksum:
        return True
    return _sum(pseudo + datagram) == 0xFFFF


def _sum(data: bytes) -> int:
    """Return the sum in one's complement of 16-bit words; RFC 1071."""
    # All words at once: the remainder is the sum with its carries added; 0 only for no bits at all.
    whole = int.from_bytes(data + bytes(len(data) % 2))
    return (whole % 0xFFFF or 0xFFFF) if whole else 0


def _spell(address: bytes) -> str:
    """Return an address as text."""
    if len(address) == 4:
        one, two, three, four = address
        return f"{one}.{two}.{three}.{four}"
    return str(IPv6Address(address))
