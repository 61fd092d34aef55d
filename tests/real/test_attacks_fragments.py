"""A stranger's IPv6 packets, cut before the port, so that no fragment shows the whole port."""

import contextlib
import re
import socket
import struct
from collections.abc import Iterable

from tests.lab.case import PORT
from tests.lab.controlled import SSH, WEB_SEQUENCE, ControlledTestCase
from tests.lab.frames import (
    FRAGMENT,
    HOP_BY_HOP,
    OPTIONS,
    ROUTING,
    TCP,
    UDP,
    Wire,
    extended,
    fragments6,
    ip6,
    packed,
    tcp,
    udp,
)
from tests.lab.hosts import CLIENT6, SERVER6, STRANGER6, eventually
from tests.real.test_guard_sessions import NO_GRACE, WIREGUARD, datagramDoor

PAD = b"\0\1\4\0\0\0\0"
"""All but the first byte of an extension header that has only padding."""
LONG = b"\x1f\1\xfc" + bytes(252)
"""The same header, 256 bytes long."""
CHAINS: tuple[list[tuple[int, bytes]], ...] = (
    [],
    [(OPTIONS, PAD)],
    [(OPTIONS, LONG)],
    [(HOP_BY_HOP, PAD), (OPTIONS, PAD)],
    [(ROUTING, bytes([2, 4, 0]) + bytes(4) + packed(SERVER6))],
    [(FRAGMENT, struct.pack("!BHI", 0, 0, 5))],
    [(OPTIONS, PAD)] * 5,
)
SIZES = (8, 16, 24, 32, 40, 64, 264, 272)
"""The bytes of each fragment."""

# Connection tracking gathers fragments at priority -400. A rule that exempts packets earlier than
# that leaves the gathering to the kernel, which does it behind all hooks.
_EARLY = """
table inet early {
    chain exempt {
        type filter hook prerouting priority -450;
        notrack
    }
}
"""
_BEHIND = f"""
table inet behind {{
    chain answers {{
        type filter hook output priority 400;
        tcp sport {PORT} counter
    }}
}}
"""


class FragmentTests(ControlledTestCase):
    """
    Fragments in all orders, with all kinds of headers, in the stranger's and the client's name.
    """

    def setUp(self) -> None:
        """Start services, and count what they answer or receive."""
        super().setUp()
        for each in ("all", "stranger"):
            for name in ("accept_source_route", "seg6_enabled"):
                self.server.status("sysctl", "-qw", f"net.ipv6.conf.{each}.{name}=1")
        self.controlled(SSH, datagramDoor("vpn", WIREGUARD, WEB_SEQUENCE, more=NO_GRACE))
        with self.server.inside():
            self.service = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(self.service.close)
        self.service.setblocking(False)
        self.service.bind(("::", WIREGUARD))
        self.server.run("nft", _BEHIND)
        self.wire = Wire(self.stranger, self.server, "stranger")
        self.addCleanup(self.wire.close)
        self.assertFalse(self.stranger.reaches(PORT, SERVER6))

    def cuts(self) -> Iterable[list[bytes]]:
        """Yield packets in pieces."""
        number = 1000
        for source in (STRANGER6, CLIENT6):
            ends = packed(source) + packed(SERVER6)
            bodies = [(TCP, tcp(ends, PORT)), (TCP, tcp(ends, PORT, data=bytes(40)))]
            bodies += [(UDP, udp(ends, WIREGUARD, bytes(size))) for size in (6, 9, 313)]
            for protocol, body in bodies:
                other = (tcp if protocol == TCP else udp)(ends, 9)
                for chain in CHAINS:
                    following, long = extended(chain, protocol, body)
                    for size in SIZES:
                        for order in range(6):
                            number += 1
                            cut = fragments6(source, SERVER6, following, long, size, number)
                            more = fragments6(source, SERVER6, protocol, other, size, number)
                            whole = struct.pack("!BHI", 0, 0, number)
                            atomic = extended([(FRAGMENT, whole)], following, long)
                            yield (
                                cut,
                                cut[::-1],
                                cut + cut,
                                cut[1:] + cut[:1],
                                [more[0], *cut, *more[1:]],
                                [ip6(source, SERVER6, *atomic)],
                            )[order]

    def passed(self) -> int:
        """Return how many packets reached a service, or were answered."""
        received = 0
        with contextlib.suppress(BlockingIOError):
            while self.service.recv(1000):
                received += 1
        text = self.server.run("nft", "list", "table", "inet", "behind")
        return received + sum(map(int, re.findall(r"counter packets (\d+)", text)))

    def test_closed(self) -> None:
        """
        No packet reaches a service, whether connection tracking or the kernel gathers the pieces.
        """
        for rules in ("", _EARLY):
            if rules:
                self.server.run("nft", rules)
            for cut in self.cuts():
                self.wire.send(cut)
            self.assertFalse(eventually(self.passed, 1), rules)

    def test_open(self) -> None:
        """With an opening many packets do, so the test can see what it claims to see."""
        self.server.run("nft", _EARLY)
        for name in ("ssh", "vpn"):
            self.open(STRANGER6, name)
        for cut in self.cuts():
            self.wire.send(cut)
        self.assertGreater(self.passed(), 100)
