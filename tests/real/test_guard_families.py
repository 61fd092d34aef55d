"""A stranger's packets of all kinds, none of which may get past the guard."""

import contextlib
import re
import socket
from collections.abc import Iterable

from tests.lab.case import PORT
from tests.lab.controlled import SSH, WEB_SEQUENCE, ControlledTestCase
from tests.lab.families import Family, over4, over6, segments
from tests.lab.frames import (
    TCP,
    UDP,
    Wire,
    ip4,
    ip6,
    packed,
    tcp,
    udp,
)
from tests.lab.hosts import SERVER4, SERVER6, STRANGER4, STRANGER6, eventually
from tests.real.test_guard_sessions import NO_GRACE, WIREGUARD, datagramDoor

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


class FamilyTests(ControlledTestCase):
    """Some packets of each kind are sent to a protected TCP port and a protected UDP port."""

    def setUp(self) -> None:
        """
        Let the kernel accept packets that it usually refuses, and count those that pass the guard.
        """
        super().setUp()
        for setting in (
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
            self.server.status("sysctl", "-qw", setting)
        self.controlled(SSH, datagramDoor("vpn", WIREGUARD, WEB_SEQUENCE, more=NO_GRACE))
        with self.server.inside():
            self.service = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(self.service.close)
        self.service.setblocking(False)
        self.service.bind(("::", WIREGUARD))
        self.wire = Wire(self.stranger, self.server, "stranger")
        self.addCleanup(self.wire.close)
        self.assertFalse(self.stranger.reaches(PORT) or self.stranger.reaches(PORT, SERVER6))

    def families(self) -> Iterable[Family]:
        """Yield all families of packets, with their full names."""
        for name, port, protocol, make in (("TCP", PORT, TCP, tcp), ("UDP", WIREGUARD, UDP, udp)):
            for version, over in (("IPv4", over4), ("IPv6", over6)):
                for family, packets in over(port, protocol, make):
                    yield f"{name} over {version}: {family}", packets
        ways = ((STRANGER4, SERVER4, ip4), (STRANGER6, SERVER6, ip6))
        for source, target, wrap in ways:
            ends = packed(source) + packed(target)
            for family, packets in segments(lambda body: wrap(source, target, TCP, body), ends):  # noqa: B023
                yield f"{wrap.__name__}: {family}", packets

    def test_closed(self) -> None:
        """No packet reaches the service, however its frame is addressed or tagged."""
        self.count()
        sent = 0
        wrong = []
        for name, packets in self.families():
            sent += sum(self.wire.send(packets, *frame) for frame in FRAMES)
            if self.passed():
                wrong.append(name)
                self.count()
        self.assertEqual(wrong, [])
        self.assertGreater(self.counted("came"), sent * 9 // 10)

    def test_open(self) -> None:
        """While the doors are open for the stranger, many families reach the services."""
        for name in ("ssh", "vpn"):
            for source in (STRANGER4, STRANGER6):
                self.open(source, name)
        for name, packets in self.families():
            if name.endswith(REACHING):
                self.count()
                self.wire.send(packets)
                self.assertTrue(eventually(self.passed), name)

    def count(self) -> None:
        """Count from zero."""
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
