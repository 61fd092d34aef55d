"""A stranger's packets of all kinds, none of which may get past the guard."""

import contextlib
import re
import socket
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
    TCP,
    UDP,
    Wire,
    extended,
    fragments4,
    fragments6,
    ip4,
    ip6,
    packed,
    tcp,
    udp,
)
from tests.lab.hosts import CLIENT4, SERVER4, SERVER6, STRANGER4, STRANGER6, eventually
from tests.lab.steered import SSH, WEB_SEQUENCE, SteeredTestCase
from tests.real.test_guard_sessions import NO_GRACE, WIREGUARD, datagramDoor

FLAGS = range(256)
PAD = b"\0\1\4\0\0\0\0"
"""All but the first byte of an extension header that contains only padding."""
LONG = b"\x1f\1\xfc" + bytes(252)
"""The same, 256 bytes long."""

_COUNTERS = f"""
table inet behind {{
    chain early {{
        type filter hook prerouting priority -500;
        iifname "stranger" counter comment "came"
    }}
    chain late {{
        type filter hook input priority 400;
        iifname "stranger" tcp dport {PORT} counter comment "passed"
        iifname "stranger" udp dport {WIREGUARD} counter comment "passed"
    }}
    chain answers {{
        type filter hook output priority 400;
        tcp sport {PORT} counter comment "passed"
    }}
}}
"""
FRAMES = ((b"", b""), (b"\xff" * 6, b""), (b"", b"\x81\0\0\0"), (b"", b"\x81\0\xe0\0"))
"""The target and the tag of the frames: the right one, broadcast, and tags without a VLAN."""
REACHING = (
    "plain",
    "hop-by-hop",
    "options",
    "16 bytes",
    "atomic fragments",
    "fast open",
    "multipath",
    "all flags",
    "targets of all kinds",
)
"""Families with packets that reach a service that is not guarded."""

Family = tuple[str, list[bytes]]


def routing(kind: int, left: int, size: int = 2) -> bytes:
    """Return all but the first byte of a routing header."""
    return bytes([size, kind, left]) + bytes(4) + packed(SERVER6) * (size // 2)


def pieces(packets: list[bytes]) -> list[list[bytes]]:
    """Yield fragments in several orders."""
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
    yield "IP options", [ip4(STRANGER4, SERVER4, protocol, body, each) for each in options]
    for size in (8, 16):
        cut = fragments4(STRANGER4, SERVER4, protocol, body, size)
        yield f"fragments of {size} bytes", [each for some in pieces(cut) for each in some]
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
    yield "sources of all kinds", [plain(source=each) for each in sources]
    targets: tuple[str, ...] = (
        "127.0.0.1",
        "127.8.8.8",
        "10.9.2.1",
        "10.9.2.255",
        "255.255.255.255",
        "224.0.0.1",
    )
    targets += ("239.1.1.1", "0.0.0.0", "10.9.1.255", "10.9.2.0", "169.254.1.1")
    yield "targets of all kinds", [plain(target=each) for each in targets]
    both = ("127.0.0.1", SERVER4, "10.9.2.1")
    yield "both its own", [plain(each, target) for each in both for target in both]


def over6(port: int, protocol: int, make: Callable[..., bytes]) -> Iterable[Family]:
    """Yield families of IPv6 packets to a port."""

    def plain(source: str = STRANGER6, target: str = SERVER6) -> bytes:
        return ip6(source, target, protocol, make(packed(source) + packed(target), port))

    def chained(*chain: tuple[int, bytes]) -> bytes:
        return ip6(STRANGER6, SERVER6, *extended(chain, protocol, body))

    body = make(packed(STRANGER6) + packed(SERVER6), port)
    yield "plain", [plain()]
    for name, kind in (("hop-by-hop", HOP_BY_HOP), ("destination options", OPTIONS)):
        yield name, [chained((kind, each)) for each in (PAD, LONG)]
    yield "many destination options", [chained(*[(OPTIONS, PAD)] * n) for n in range(2, 17)]
    yield "hop-by-hop in the wrong place", [chained((OPTIONS, PAD), (HOP_BY_HOP, PAD))]
    kinds = [(kind, left) for kind in (0, 1, 2, 3, 4, 253) for left in (0, 1, 2)]
    yield "routing headers", [chained((ROUTING, routing(*each))) for each in kinds]
    yield (
        "authentication headers",
        [chained((AUTHENTICATION, bytes([n, *bytes(4 * n + 6)]))) for n in (1, 2, 4)],
    )
    atomic = struct.pack("!BHI", 0, 0, 5)
    yield (
        "atomic fragments",
        [
            chained((FRAGMENT, atomic)),
            chained((FRAGMENT, atomic), (FRAGMENT, atomic)),
            chained((OPTIONS, PAD), (FRAGMENT, atomic), (OPTIONS, PAD)),
            chained((HOP_BY_HOP, PAD), (FRAGMENT, atomic)),
            chained((FRAGMENT, struct.pack("!BHI", 0, 6, 5))),
        ],
    )
    for size in (8, 16):
        cut = fragments6(STRANGER6, SERVER6, protocol, body, size)
        yield f"fragments of {size} bytes", [each for some in pieces(cut) for each in some]
        following, long = extended([(OPTIONS, PAD), (OPTIONS, LONG)], protocol, body)
        cut = fragments6(STRANGER6, SERVER6, following, long, size, 79)
        yield "options cut by fragments", [each for some in pieces(cut) for each in some]
        nested = fragments6(
            STRANGER6, SERVER6, FRAGMENT, bytes([protocol]) + atomic + body, size, 80
        )
        yield "fragments of a fragment", nested
    other = make(packed(STRANGER6) + packed(SERVER6), 9)
    for first, second in ((other, body), (body, other)):
        some = fragments6(STRANGER6, SERVER6, protocol, first, 8, 81)
        more = fragments6(STRANGER6, SERVER6, protocol, second, 8, 81)
        yield "fragments that overlap", [some[0], more[0], *more[1:], *some[1:]]
    yield "no next header", [ip6(STRANGER6, SERVER6, *extended([(OPTIONS, PAD)], NONE, body))]
    sources: tuple[str, ...] = (
        "::1",
        "::",
        SERVER6,
        "fd09:2::1",
        "ff02::1",
        "::ffff:10.9.1.2",
        "fe80::7",
    )
    sources += ("::10.9.1.2", "2002:a09:102::1", "fd09:1::2", "64:ff9b::a09:102")
    yield "sources of all kinds", [plain(source=each) for each in sources]
    targets: tuple[str, ...] = (
        "::1",
        "fd09:2::1",
        "ff02::1",
        "ff02::2",
        "ff01::1",
        "ff0e::77",
        "fd09:2::",
    )
    targets += ("::ffff:10.9.1.1", "fe80::1", "::")
    yield "targets of all kinds", [plain(target=each) for each in targets]
    both = ("::1", SERVER6, "fd09:2::1")
    yield "both its own", [plain(each, target) for each in both for target in both]
    jumbo = bytes([protocol, 0, 0xC2, 4]) + struct.pack("!I", 8 + len(body)) + body
    yield "a jumbogram", [ip6(STRANGER6, SERVER6, HOP_BY_HOP, b"")[: -0 or None] + jumbo]


def segments(wrap: Callable[[bytes], bytes], ends: bytes) -> Iterable[Family]:
    """Yield families of TCP segments."""
    yield "all flags", [wrap(tcp(ends, PORT, each)) for each in FLAGS]
    cookie = b"\x22\x0a" + bytes(8)
    yield (
        "fast open",
        [wrap(tcp(ends, PORT, 2, each, b"data")) for each in (b"", cookie, b"\x22\2")],
    )
    capable = b"\x1e\x04\x01\x81"
    join = b"\x1e\x0c\x10\0" + bytes(8)
    yield (
        "multipath",
        [wrap(tcp(ends, PORT, flag, each)) for each in (capable, join) for flag in (2, 16, 18)],
    )
    yield "header lengths", [wrap(tcp(ends, PORT, 2, words=each)) for each in range(1, 16)]
    yield "cut short", [wrap(tcp(ends, PORT)[:each]) for each in range(20)]
    broken = bytearray(tcp(ends, PORT))
    broken[16] ^= 0xFF
    yield "wrong checksums", [wrap(bytes(broken))]


class FamilyTests(SteeredTestCase):
    """Some packets of each kind are sent to a protected TCP port and a protected UDP port."""

    def setUp(self) -> None:
        """
        Let the kernel accept packets that it usually refuses, and count those that pass the guard.
        """
        super().setUp()
        for each in (
            "net.ipv4.conf.all.accept_source_route=1",
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.stranger.route_localnet=1",
            "net.ipv4.conf.all.route_localnet=1",
            "net.ipv4.conf.all.accept_local=1",
            "net.ipv6.conf.all.accept_source_route=1",
            "net.ipv4.icmp_echo_ignore_broadcasts=0",
            "net.ipv6.conf.stranger.seg6_enabled=1",
            "net.ipv4.conf.all.bootp_relay=1",
            "net.ipv6.conf.all.seg6_enabled=1",
        ):
            self.server.status("sysctl", "-qw", each)
        self.steered(SSH, datagramDoor("vpn", WIREGUARD, WEB_SEQUENCE, more=NO_GRACE))
        with self.server.inside():
            self.service = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(self.service.close)
        self.service.setblocking(False)
        self.service.bind(("::", WIREGUARD))
        self.wire = Wire(self.stranger, self.server, "stranger")
        self.addCleanup(self.wire.close)
        self.assertFalse(self.stranger.reaches(PORT) or self.stranger.reaches(PORT, SERVER6))

    def families(self) -> Iterable[Family]:
        """Send all of them."""
        for name, port, protocol, make in (("TCP", PORT, TCP, tcp), ("UDP", WIREGUARD, UDP, udp)):
            for version, over in (("IPv4", over4), ("IPv6", over6)):
                for family, packets in over(port, protocol, make):
                    yield f"{name} over {version}: {family}", packets
        ways = ((STRANGER4, SERVER4, ip4), (STRANGER6, SERVER6, ip6))
        for source, target, wrap in ways:
            ends = packed(source) + packed(target)
            for family, packets in segments(lambda each: wrap(source, target, TCP, each), ends):  # noqa: B023
                yield f"{wrap.__name__}: {family}", packets

    def test_closed(self) -> None:
        """No packet reaches the service, however its frame is addressed or tagged."""
        self.count()
        sent = 0
        wrong = []
        for name, packets in self.families():
            sent += sum(self.wire.send(packets, *each) for each in FRAMES)
            if self.passed():
                wrong.append(name)
                self.count()
        self.assertEqual(wrong, [])
        self.assertGreater(self.counted("came"), sent * 9 // 10)

    def test_open(self) -> None:
        """While the doors are open for the stranger, packets of many families do."""
        for name in ("ssh", "vpn"):
            for source in (STRANGER4, STRANGER6):
                self.open(source, name)
        for name, packets in self.families():
            if name.endswith(REACHING):
                self.count()
                self.wire.send(packets)
                self.assertTrue(eventually(self.passed, 2), name)

    def count(self) -> None:
        """Begin to count."""
        self.server.status("nft", "delete", "table", "inet", "behind")
        self.server.run("nft", _COUNTERS)

    def passed(self) -> int:
        """Return how many packets passed the guard, were answered or were received."""
        received = 0
        with contextlib.suppress(BlockingIOError):
            while self.service.recv(1000):
                received += 1
        return self.counted("passed") + received

    def counted(self, what: str) -> int:
        """Return how many packets were counted."""
        text = self.server.run("nft", "list", "table", "inet", "behind")
        found = re.findall(rf'counter packets (\d+) bytes \d+ comment "{what}"', text)
        return sum(map(int, found))
