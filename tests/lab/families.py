"""Packets of all kinds to a protected port, in families, with their names."""

import struct
from collections.abc import Callable, Iterable

from tests.lab.case import PORT
from tests.lab.frames import (
    AUTHENTICATION,
    FRAGMENT,
    HOP_BY_HOP,
    NONE,
    OPTIONS,
    ROUTING,
    extended,
    fragments4,
    fragments6,
    ip4,
    ip6,
    packed,
    tcp,
)
from tests.lab.hosts import CLIENT4, SERVER4, SERVER6, STRANGER4, STRANGER6

FLAGS = range(256)
PAD = b"\0\1\4\0\0\0\0"
"""All but the first byte of an extension header that contains only padding."""
LONG = b"\x1f\1\xfc" + bytes(252)
"""The same, 256 bytes long."""
ATOMIC = struct.pack("!BHI", 0, 0, 5)
"""All but the first byte of the header of a fragment that is the whole packet."""
SOURCES6 = (
    "::1",
    "::",
    SERVER6,
    "fd09:2::1",
    "ff02::1",
    "::ffff:10.9.1.2",
    "fe80::7",
    "::10.9.1.2",
    "2002:a09:102::1",
    "fd09:1::2",
    "64:ff9b::a09:102",
)
TARGETS6 = (
    "::1",
    "fd09:2::1",
    "ff02::1",
    "ff02::2",
    "ff01::1",
    "ff0e::77",
    "fd09:2::",
    "::ffff:10.9.1.1",
    "fe80::1",
    "::",
)

Family = tuple[str, list[bytes]]


def routing(kind: int, left: int, size: int = 2) -> bytes:
    """Return all but the first byte of a routing header."""
    return bytes([size, kind, left]) + bytes(4) + packed(SERVER6) * (size // 2)


def pieces(packets: list[bytes]) -> list[list[bytes]]:
    """Return fragments in several orders."""
    return [packets, packets[::-1], [*packets, *packets], [packets[-1], *packets]]


def over4(port: int, protocol: int, make: Callable[..., bytes]) -> Iterable[Family]:
    """Yield families of IPv4 packets to a port."""

    def plain(source: str = STRANGER4, target: str = SERVER4) -> bytes:
        return ip4(source, target, protocol, make(packed(source) + packed(target), port))

    body = make(packed(STRANGER4) + packed(SERVER4), port)
    yield "plain", [plain()]
    addresses = packed(SERVER4)
    options = (
        b"\1\1\1\0",
        b"\7\7\4" + bytes(4),
        b"\x44\x08\x05\0" + bytes(4),
        b"\x94\4\0\0",
        b"\x82\x0b" + bytes(9),
        b"\x83\7\4" + addresses,
        b"\x89\7\4" + addresses,
        b"\x83\x07\x08" + addresses,
        b"\1" * 40,
        b"\x83\x03\x04",
        b"\x07\x28\x28" + bytes(37),
    )
    yield "IP options", [ip4(STRANGER4, SERVER4, protocol, body, option) for option in options]
    for size in (8, 16):
        cut = fragments4(STRANGER4, SERVER4, protocol, body, size)
        yield f"fragments of {size} bytes", [packet for order in pieces(cut) for packet in order]
    other = make(packed(STRANGER4) + packed(SERVER4), 9)
    for first, second in ((other, body), (body, other)):
        begin = ip4(STRANGER4, SERVER4, protocol, first[:16], fragment=0x2000, number=78)
        over = ip4(STRANGER4, SERVER4, protocol, second[:16], fragment=0x2000, number=78)
        rest = ip4(STRANGER4, SERVER4, protocol, second[8:], fragment=0x0001, number=78)
        yield "fragments that overlap", [begin, over, rest, rest, begin, over]
    sources: tuple[str, ...] = (
        "127.0.0.1",
        SERVER4,
        "10.9.2.1",
        "0.0.0.0",
        "10.9.2.255",
        "255.255.255.255",
    )
    sources += (CLIENT4, "224.0.0.1", "169.254.1.1", "240.0.0.1", "10.9.2.77")
    yield "sources of all kinds", [plain(source=source) for source in sources]
    targets: tuple[str, ...] = (
        "127.0.0.1",
        "127.8.8.8",
        "10.9.2.1",
        "10.9.2.255",
        "255.255.255.255",
        "224.0.0.1",
    )
    targets += ("239.1.1.1", "0.0.0.0", "10.9.1.255", "10.9.2.0", "169.254.1.1")
    yield "targets of all kinds", [plain(target=target) for target in targets]
    both = ("127.0.0.1", SERVER4, "10.9.2.1")
    yield "both its own", [plain(source, target) for source in both for target in both]


def over6(port: int, protocol: int, make: Callable[..., bytes]) -> Iterable[Family]:
    """Yield families of IPv6 packets to a port."""

    def plain(source: str = STRANGER6, target: str = SERVER6) -> bytes:
        return ip6(source, target, protocol, make(packed(source) + packed(target), port))

    ends = packed(STRANGER6) + packed(SERVER6)
    body = make(ends, port)
    yield "plain", [plain()]
    yield from _chained6(protocol, body)
    yield from _fragmented6(protocol, body, make(ends, 9))
    yield "no next header", [ip6(STRANGER6, SERVER6, *extended([(OPTIONS, PAD)], NONE, body))]
    yield from _addressed6(plain)
    jumbo = bytes([protocol, 0, 0xC2, 4]) + struct.pack("!I", 8 + len(body)) + body
    yield "a jumbogram", [ip6(STRANGER6, SERVER6, HOP_BY_HOP, b"")[: -0 or None] + jumbo]


def _chained6(protocol: int, body: bytes) -> Iterable[Family]:
    """Yield families of packets with extension headers."""

    def chained(*chain: tuple[int, bytes]) -> bytes:
        return ip6(STRANGER6, SERVER6, *extended(chain, protocol, body))

    for name, kind in (("hop-by-hop", HOP_BY_HOP), ("destination options", OPTIONS)):
        yield name, [chained((kind, padding)) for padding in (PAD, LONG)]
    yield "many destination options", [chained(*[(OPTIONS, PAD)] * n) for n in range(2, 17)]
    yield "hop-by-hop in the wrong place", [chained((OPTIONS, PAD), (HOP_BY_HOP, PAD))]
    kinds = [(kind, left) for kind in (0, 1, 2, 3, 4, 253) for left in (0, 1, 2)]
    yield "routing headers", [chained((ROUTING, routing(kind, left))) for kind, left in kinds]
    yield (
        "authentication headers",
        [chained((AUTHENTICATION, bytes([n, *bytes(4 * n + 6)]))) for n in (1, 2, 4)],
    )
    yield (
        "atomic fragments",
        [
            chained((FRAGMENT, ATOMIC)),
            chained((FRAGMENT, ATOMIC), (FRAGMENT, ATOMIC)),
            chained((OPTIONS, PAD), (FRAGMENT, ATOMIC), (OPTIONS, PAD)),
            chained((HOP_BY_HOP, PAD), (FRAGMENT, ATOMIC)),
            chained((FRAGMENT, struct.pack("!BHI", 0, 6, 5))),
        ],
    )


def _fragmented6(protocol: int, body: bytes, other: bytes) -> Iterable[Family]:
    """
    Yield families of fragments.

    @param body: what goes to the protected port.
    @param other: the same to another port, whose fragments overlap with it.
    """
    for size in (8, 16):
        cut = fragments6(STRANGER6, SERVER6, protocol, body, size)
        yield f"fragments of {size} bytes", [packet for order in pieces(cut) for packet in order]
        following, long = extended([(OPTIONS, PAD), (OPTIONS, LONG)], protocol, body)
        cut = fragments6(STRANGER6, SERVER6, following, long, size, 79)
        yield "options cut by fragments", [packet for order in pieces(cut) for packet in order]
        inner = bytes([protocol]) + ATOMIC + body
        yield (
            "fragments of a fragment",
            fragments6(STRANGER6, SERVER6, FRAGMENT, inner, size, 80),
        )
    for first, second in ((other, body), (body, other)):
        begun = fragments6(STRANGER6, SERVER6, protocol, first, 8, 81)
        over = fragments6(STRANGER6, SERVER6, protocol, second, 8, 81)
        yield "fragments that overlap", [begun[0], over[0], *over[1:], *begun[1:]]


def _addressed6(plain: Callable[[str, str], bytes]) -> Iterable[Family]:
    """
    Yield families of packets with unusual addresses.

    @param plain: makes a packet from its source and its target.
    """
    yield "sources of all kinds", [plain(source, SERVER6) for source in SOURCES6]
    yield "targets of all kinds", [plain(STRANGER6, target) for target in TARGETS6]
    both = ("::1", SERVER6, "fd09:2::1")
    yield "both its own", [plain(source, target) for source in both for target in both]


def segments(wrap: Callable[[bytes], bytes], ends: bytes) -> Iterable[Family]:
    """Yield families of TCP segments."""
    yield "all flags", [wrap(tcp(ends, PORT, flags)) for flags in FLAGS]
    cookie = b"\x22\x0a" + bytes(8)
    yield (
        "fast open",
        [wrap(tcp(ends, PORT, 2, option, b"data")) for option in (b"", cookie, b"\x22\2")],
    )
    capable = b"\x1e\x04\x01\x81"
    join = b"\x1e\x0c\x10\0" + bytes(8)
    yield (
        "multipath",
        [
            wrap(tcp(ends, PORT, flags, option))
            for option in (capable, join)
            for flags in (2, 16, 18)
        ],
    )
    yield "header lengths", [wrap(tcp(ends, PORT, 2, words=words)) for words in range(1, 16)]
    yield "cut short", [wrap(tcp(ends, PORT)[:size]) for size in range(20)]
    broken = bytearray(tcp(ends, PORT))
    broken[16] ^= 0xFF
    yield "wrong checksums", [wrap(bytes(broken))]
