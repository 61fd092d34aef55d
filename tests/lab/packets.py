"""Packets, as the kernel's packet log has them."""

import socket
import struct

from pkdoors.firewall.netlink.messages import attribute, buildMessage
from pkdoors.knocks.packet import IPV4, IPV6, UDP


def makeDatagram(
    port: int, payload: bytes, source: str = "203.0.113.9", destination: str = "192.0.2.1"
) -> tuple[int, bytes]:
    """Return the Ethernet protocol and an IP packet with a UDP datagram."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = [socket.inet_pton(family, each) for each in (source, destination)]
    length = 8 + len(payload)
    pseudo = b"".join(ends) + struct.pack("!II", length, UDP)
    # A sum that a device would complete later; RFC 1071.
    partial = int.from_bytes(pseudo) % 0xFFFF or 0xFFFF
    body = struct.pack("!HHHH", 40000, port, length, partial) + payload
    if family == socket.AF_INET6:
        return IPV6, struct.pack("!IHBB", 6 << 28, length, UDP, 64) + b"".join(ends) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, UDP, 0)
    return IPV4, head + b"".join(ends) + body


def makeLogged(kind: int, packet: bytes, sequence: int = 0, stamp: int = 0, link: int = 2) -> bytes:
    """Return the kernel's message about a packet."""
    body = attribute(1, struct.pack("!HBB", kind, 0, 0))
    body += attribute(3, struct.pack("!QQ", *divmod(stamp // 1000, 10**6)))
    body += attribute(4, struct.pack("!I", link)) + attribute(12, struct.pack("!I", sequence))
    return buildMessage(4, 0, 0, body + attribute(9, packet), 2)
