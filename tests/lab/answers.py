"""What a host answers to packets of many kinds, byte for byte, whichever port they ask for."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing

from tests.lab import frames
from tests.lab.frames import TCP, UDP, Wire
from tests.lab.hosts import Host

SILENT = 0.02
"""Seconds after which a host counts as silent. An answer takes less than 1 ms."""
_FLAGS = {
    "SYN": 0x02,
    "SYN with ECN": 0xC2,
    "SYN and FIN": 0x03,
    "SYN and PSH": 0x0A,
    "SYN and RST": 0x06,
    "SYN and ACK": 0x12,
    "FIN": 0x01,
    "FIN and ACK": 0x11,
    "no flags": 0x00,
    "Xmas": 0x29,
    "ACK": 0x10,
    "RST": 0x04,
}
_FAST_OPEN, _MOST_OPTIONS = b"\x22\x0a12345678", b"\2\4\5\xb4\4\2\x08\x0a\0\1\2\3\0\0\0\0\1\3\3\7"
_PAYLOADS = {
    "nothing": b"",
    "knock": b"knock",
    "knock, end of line": b"knock\n",
    "knock, blank, end of line": b"knock \r\n",
    "knock with seconds": b"knock 30\n",
    "knock and more": b"knock\nx",
    "junk": b"junk",
    "long junk": b"x" * 1400,
    "a seal": b"pkdoors1 " + b"a" * 100,
}
_LABEL = 0xFFFFF  # of an IPv6 flow
_HIDDEN = b"PP"  # instead of the port that was asked for
_ICMP, _ICMP6 = 1, 58
_NEIGHBORS = range(130, 144)
"""Types of ICMPv6 that have nothing to do with our packets."""


def packetsTo(port: int, source: str, target: str) -> Iterator[tuple[str, bytes]]:
    """Yield packets to a port, each with what it is."""
    ends = frames.packed(source) + frames.packed(target)
    make = frames.ip6 if ":" in target else frames.ip4

    def segment(flags: int = 2, options: bytes = b"", data: bytes = b"", words: int = 0) -> bytes:
        body = frames.tcp(ends, port, flags, options, data, words)
        return make(source, target, TCP, body)

    datagram = frames.udp(ends, port, b"knock\n")
    yield from ((name, segment(flags)) for name, flags in _FLAGS.items())
    yield "SYN with options", segment(options=_MOST_OPTIONS)
    yield "SYN with data", segment(data=b"hello")
    yield "SYN for a fast open", segment(options=_FAST_OPEN, data=b"x")
    yield "SYN with a long header", segment(words=15)
    yield "SYN with a mark of its service", _marked(segment())
    yield "SYN with padding", segment() + bytes(6)
    yield "SYN with a wrong checksum", segment()[:-4] + b"\1\2" + segment()[-2:]
    for name, payload in _PAYLOADS.items():
        yield f"UDP: {name}", make(source, target, UDP, frames.udp(ends, port, payload))
    for name, other in (
        ("without a checksum", datagram[:6] + bytes(2) + datagram[8:]),
        ("with a wrong checksum", datagram[:6] + b"\1\2" + datagram[8:]),
        ("longer than it is", datagram[:4] + struct.pack("!H", 30) + datagram[6:]),
        ("with more behind its end", datagram + b"tail"),
    ):
        yield f"UDP: {name}", make(source, target, UDP, other)
    yield "UDP: with a mark of its service", _marked(make(source, target, UDP, datagram))


def answersTo(
    packet: bytes, port: int, host: Host, wire: Wire, patience: float = SILENT
) -> tuple[bytes, ...]:
    """
    Send a packet to a port, and return the answers without what differs for each packet.

    @param host: who sends, and listens.
    @param wire: where it sends.
    @param patience: seconds after which it stops listening.
    """
    family = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    with host.inside():
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(family))
    with closing(sniffer):
        sniffer.bind(("server", family))
        wire.send([packet])
        return tuple(_listen(sniffer, port, patience))


def _listen(sniffer: socket.socket, port: int, patience: float) -> Iterator[bytes]:
    end = time.monotonic() + patience
    while (left := end - time.monotonic()) > 0:
        sniffer.settimeout(left)
        try:
            packet, where = sniffer.recvfrom(3000)
        except TimeoutError:
            return
        if where[2] != socket.PACKET_OUTGOING and (answer := _unify(packet, port)):
            yield answer


def _unify(packet: bytes, port: int) -> bytes:
    """Return a packet without numbers, labels and checksums; nothing if it is no answer."""
    isSix = packet[0] >> 4 == 6
    at, protocol = (40, packet[6]) if isSix else ((packet[0] & 15) * 4, packet[9])
    head, body = bytearray(packet[:at]), bytearray(packet[at:])
    if isSix and protocol == _ICMP6 and body[0] in _NEIGHBORS:
        return b""
    if isSix:
        label = int.from_bytes(head[:4]) & _LABEL
        head[:4] = struct.pack("!I", int.from_bytes(head[:4]) & ~_LABEL | bool(label))
    else:
        head[4:6] = bytes([0, any(head[4:6])])
        head[10:12] = bytes(2)
    if protocol == TCP:
        body[16:18] = bytes(2)
    elif protocol in (_ICMP, _ICMP6):  # it has our packet, as far as the checksum of that
        body[2:4] = bytes(2)
        inner = 8 + (40 if isSix else (body[8] & 15) * 4)
        sum_ = inner + (6 if body[8 + (6 if isSix else 9)] == UDP else 16)
        body[sum_ : sum_ + 2] = bytes(2)
    else:
        return b""
    return bytes(head + body.replace(port.to_bytes(2), _HIDDEN))


def _marked(packet: bytes) -> bytes:
    """Return a packet with a traffic class."""
    if packet[0] >> 4 == 6:
        return b"\x61\x20" + packet[2:]
    head = packet[:1] + b"\x12" + packet[2:10] + bytes(2) + packet[12:20]
    return head[:10] + struct.pack("!H", frames.checksum(head)) + head[12:] + packet[20:]
