"""Knocks from users of the host itself: they keep nobody out, and speak for nobody else."""

import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial

from tests.lab.case import SEQUENCE
from tests.lab.controlled import SSH
from tests.lab.hosts import CLIENT6, SERVER4, SERVER6
from tests.real.test_flood import FloodTestCase, flood
from tests.real.test_tcpknocks import MIXED, tcpDoor

IPV6_FREEBIND = 78  # linux/in6.h; it needs no privilege
KINDS = (socket.SOCK_DGRAM, socket.SOCK_STREAM)


class LocalTests(FloodTestCase):
    """With sockets."""

    door = SSH
    kinds: tuple[socket.SocketKind, ...] = KINDS[:1]

    def test_flood(self) -> None:
        """A flood from the host itself is limited, whatever addresses of its own it comes from."""
        self.controlled(self.door)
        count = 4000
        for last in range(1, 5):
            flood(self.server, (b"knock\n",), count, f"127.0.0.{last}", f"127.0.0.{last}")
        self.comes(lambda: self.heard() + sum(self.dropped().values()) == 4 * count)
        self.assertLess(0, self.dropped()["limit"])
        self.assertLess(0, self.heard())

    def knockAs(self, source: str, target: str, kind: int) -> None:
        """Knock on the port that has this kind, from an address that the host may not have."""
        with self.server.inside(), closing(socket.socket(socket.AF_INET6, kind)) as one:
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            one.setblocking(False)
            one.bind((source, 0))
            one.connect_ex((target, SEQUENCE[KINDS.index(kind)]))
            if kind == socket.SOCK_DGRAM:
                one.send(b"knock\n")

    def test_others(self) -> None:
        """A knock from the host itself in somebody else's name is not heard."""
        self.controlled(self.door)
        for kind in self.kinds:
            for target in ("::1", SERVER6):
                for source in ("2001:db8::5", CLIENT6):
                    self.knockAs(source, target, kind)
                self.checkHears(1, partial(self.knockAs, SERVER6, target, kind))
        self.assertEqual(2 * len(self.kinds), self.heard())

    def checkHears(self, count: int, knock: Callable[[], None]) -> None:
        """Check how many knocks are heard."""
        wanted = self.heard() + count
        knock()
        self.comes(lambda: self.heard() == wanted)

    def test_own(self) -> None:
        """The host's own knocks are heard."""
        self.controlled(SSH)
        for address in ("127.0.0.1", "::1", SERVER4, SERVER6):
            self.checkHears(len(SEQUENCE), partial(self.server.send, SEQUENCE, address=address))


class CapturedLocalTests(LocalTests):
    """With captured knocks."""

    listen = "capture"
    door = tcpDoor(MIXED)
    kinds = KINDS
