"""Whole Ethernet frames, as no kernel would send them."""

import json
import socket
import struct
from collections.abc import Iterable

from tests.lab.hosts import Host

TCP, UDP = 6, 17
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, NONE, OPTIONS = 0, 43, 44, 51, 59, 60
"""Next headers of IPv6."""


def checksum(data: bytes) -> int:
    """Return the checksum of the Internet; RFC 1071."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address: str) -> bytes:
    """Return an address as bytes."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _summed(segment: bytes, at: int, ends: bytes, protocol: int) -> bytes:
    total = checksum(ends + struct.pack("!HH", protocol, len(segment)) + segment)
    return segment[:at] + struct.pack("!H", total) + segment[at + 2 :]


def tcp(
    ends: bytes, port: int, flags: int = 2, options: bytes = b"", data: bytes = b"", words: int = 0
) -> bytes:
    """
    Return a TCP segment from port 4444.

    @param ends: both addresses, for the checksum.
    @param words: the length of its header as it says, in words; 0 for the right one.
    """
    options += bytes(-len(options) % 4)
    size = words or 5 + len(options) // 4
    head = struct.pack("!HHIIBBHHH", 4444, port, 7, 9, size << 4, flags, 64240, 0, 0)
    return _summed(head + options + data, 16, ends, TCP)


def udp(ends: bytes, port: int, data: bytes = b"attack") -> bytes:
    """Return a datagram from port 4444."""
    head = struct.pack("!HHHH", 4444, port, 8 + len(data), 0)
    return _summed(head + data, 6, ends, UDP)


def ip4(
    source: str,
    target: str,
    protocol: int,
    payload: bytes,
    options: bytes = b"",
    fragment: int = 0,
    number: int = 1,
) -> bytes:
    """
    Return an IPv4 packet.

    @param fragment: flags and offset, as they are in the header.
    """
    options += bytes(-len(options) % 4)
    size = 5 + len(options) // 4
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x40 | size,
        0,
        4 * size + len(payload),
        number,
        fragment,
        64,
        protocol,
        0,
        packed(source),
        packed(target),
    )
    head = head + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(source: str, target: str, following: int, payload: bytes) -> bytes:
    """Return an IPv6 packet."""
    head = struct.pack("!IHBB", 6 << 28, len(payload), following, 64)
    return head + packed(source) + packed(target) + payload


def extended(chain: Iterable[tuple[int, bytes]], last: int, payload: bytes) -> tuple[int, bytes]:
    """
    Return the first header and all that follows.

    @param chain: extension headers: which, and all but the first byte.
    """
    following = last
    for kind, body in reversed(list(chain)):
        payload, following = bytes([following]) + body + payload, kind
    return following, payload


def fragments4(source: str, target: str, protocol: int, payload: bytes, size: int) -> list[bytes]:
    """Return a packet in pieces of so many bytes, which is a multiple of 8."""
    return [
        ip4(
            source,
            target,
            protocol,
            payload[at : at + size],
            fragment=(at // 8) | (0x2000 if at + size < len(payload) else 0),
            number=77,
        )
        for at in range(0, len(payload), size)
    ]


def fragments6(
    source: str, target: str, following: int, payload: bytes, size: int, number: int = 77
) -> list[bytes]:
    """The same over IPv6."""
    return [
        ip6(
            source,
            target,
            FRAGMENT,
            struct.pack("!BBHI", following, 0, at | (at + size < len(payload)), number)
            + payload[at : at + size],
        )
        for at in range(0, len(payload), size)
    ]


class Wire:
    """
    Where frames are put.

    @param host: who sends them.
    @param there: whose device they come to.
    @param device: its name there.
    """

    def __init__(self, host: Host, there: Host, device: str) -> None:
        with host.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("server", 0))
        self._source, self._target = _mac(host, "server"), _mac(there, device)

    def send(self, packets: Iterable[bytes], target: bytes = b"", tag: bytes = b"") -> int:
        """
        Send packets.

        @param target: the address of the frame; empty for the right one.
        @param tag: what stands before the type, a VLAN's tag say.
        @return: how many.
        """
        sent = 0
        for packet in packets:
            kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
            self._socket.send((target or self._target) + self._source + tag + kind + packet)
            sent += 1
        return sent

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _mac(host: Host, device: str) -> bytes:
    (found,) = json.loads(host.run("ip", "-j", "link", "show", "dev", device))
    return bytes.fromhex(found["address"].replace(":", ""))
