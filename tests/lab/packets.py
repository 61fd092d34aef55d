"""Packets, as the kernel's packet log has them."""

import socket
import struct

from pkdoors.firewall.netlink.messages import attribute, buildMessage
from pkdoors.knocks.packet import IPV4, IPV6, TCP, UDP


def makeDatagram(
    port: int, payload: bytes, source: str = "203.0.113.9", destination: str = "192.0.2.1"
) -> tuple[int, bytes]:
    """Return the Ethernet protocol and an IP packet with a UDP datagram."""
    length = 8 + len(payload)
    partial = _sumUp(source, destination, length, UDP)
    body = struct.pack("!HHHH", 40000, port, length, partial) + payload
    return _wrap(body, UDP, source, destination)


def makeSyn(
    port: int,
    number: int,
    sourcePort: int = 40000,
    flags: int = 2,
    data: bytes = b"",
    source: str = "203.0.113.9",
    destination: str = "192.0.2.1",
) -> tuple[int, bytes]:
    """
    Return the Ethernet protocol and an IP packet with a TCP segment, by default a SYN.

    @param number: its sequence number.
    """
    partial = _sumUp(source, destination, 20 + len(data), TCP)
    body = struct.pack("!HHIIBBHHH", sourcePort, port, number, 0, 0x50, flags, 1000, partial, 0)
    return _wrap(body + data, TCP, source, destination)


def _sumUp(source: str, destination: str, length: int, protocol: int) -> int:
    """Return a sum that a device would complete later; RFC 1071."""
    pseudo = _pack(source) + _pack(destination) + struct.pack("!II", length, protocol)
    return int.from_bytes(pseudo) % 0xFFFF or 0xFFFF


def _wrap(body: bytes, protocol: int, source: str, destination: str) -> tuple[int, bytes]:
    ends = _pack(source) + _pack(destination)
    if ":" in source:
        return IPV6, struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ends + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0)
    return IPV4, head + ends + body


def _pack(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def makeLogged(kind: int, packet: bytes, sequence: int = 0, stamp: int = 0, link: int = 2) -> bytes:
    """Return the kernel's message about a packet."""
    body = attribute(1, struct.pack("!HBB", kind, 0, 0))
    body += attribute(3, struct.pack("!QQ", *divmod(stamp // 1000, 10**6)))
    body += attribute(4, struct.pack("!I", link)) + attribute(12, struct.pack("!I", sequence))
    return buildMessage(4, 0, 0, body + attribute(9, packet), 2)
