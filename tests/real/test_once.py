"""Doors of which an opening is for one connection."""

import contextlib
import random
import signal
import socket
from collections.abc import Iterator

from tests.lab.case import PORT
from tests.lab.conntrack import Flow
from tests.lab.flows import Session, bound, drain
from tests.lab.hosts import (
    CLIENT4,
    CLIENT6,
    PATIENCE,
    SERVER4,
)
from tests.lab.once import ONCE, WAYS, OnceTestCase, forged
from tests.lab.segments import ACK, SYN

GUESSES = 100_000
"""Numbers that a stranger guesses. Connection tracking takes one in 65,000 for right."""
AT_ONCE = 50


class KernelTests(OnceTestCase):
    """What the kernel does by itself."""

    def test_first(self) -> None:
        """The first connection uses the opening up, and goes on after it."""
        self.controlled(ONCE)
        self.assertFalse(self.reaches())
        for way in WAYS:
            self.open(way[0])
            session = self.session(*way)
            self.assertTrue(session.carries())
            self.assertFalse(self.reaches(*way))
            self.assertTrue(self.becomesUsed(way[0]))
            self.assertFalse(self.reaches(*way))
            self.assertTrue(session.carries())

    def test_nobodyElse(self) -> None:
        """It is for its client alone."""
        self.controlled(ONCE)
        self.open(CLIENT4)
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(self.session().carries())

    def test_deadDaemon(self) -> None:
        """The kernel keeps to it when the daemon is dead, and so does the next daemon."""
        daemon = self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
        daemon.stop(signal.SIGKILL)
        session = self.session()
        self.assertFalse(self.reaches())
        self.controlled(ONCE)
        self.assertTrue(session.carries())
        self.assertFalse(self.reaches())
        self.assertEqual({("ssh", CLIENT6): (True, False)}, self.states())
        self.assertTrue(self.session(*WAYS[1]).carries())
        self.assertFalse(self.reaches(*WAYS[1]))

    def test_atOnce(self) -> None:
        """Of many connections that begin at the same time, exactly one is made."""
        self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
            with self.deaf(f"tcp sport {PORT}"):  # otherwise each handshake ends before the next
                clients = [self.begin(way) for _ in range(AT_ONCE)]
                self.assertIsNone(self.accepted(0.2))
            server = self.accepted()
            self.assertIsNone(self.accepted(2.0))
            assert server is not None
            (winner,) = [
                client for client in clients if client.getsockname()[1] == server.getpeername()[1]
            ]
            winner.setblocking(True)
            session = Session(Flow(way[0], 0, way[1], PORT), winner, server)
            self.assertTrue(session.carries())

    def begin(self, way: tuple[str, str]) -> socket.socket:
        """Begin a connection, and do not wait for an answer."""
        client = bound(self.client, self.flow(*way))
        self.addCleanup(client.close)
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect((way[1], PORT))
        return client

    @contextlib.contextmanager
    def deaf(self, packets: str) -> Iterator[None]:
        """Have the client not hear some packets."""
        self.client.run("nft", "add table inet deaf")
        self.client.run("nft", "add chain inet deaf in { type filter hook input priority 0; }")
        self.client.run("nft", f"add rule inet deaf in {packets} drop")
        try:
            yield
        finally:
            self.client.run("nft", "delete table inet deaf")

    def test_repeated(self) -> None:
        """A client whose SYN is not answered at first sends it again, and gets in."""
        self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
            with self.deaf(f"tcp sport {PORT}"):
                self.begin(way)
                self.assertIsNone(self.accepted(0.5))
            self.assertIsNotNone(self.accepted())
            self.assertFalse(self.reaches(*way))

    def test_tooLate(self) -> None:
        """A client that began a handshake before another one was made ends it for nothing."""
        self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
            client = bound(self.client, self.flow(*way))
            self.addCleanup(client.close)
            with self.deaf(f"tcp sport {PORT}"):
                late = self.begin(way)
            client.settimeout(PATIENCE)
            client.connect((way[1], PORT))
            server = self.accepted()
            assert server is not None
            late.settimeout(PATIENCE)
            late.sendall(b"hello")  # once the server has repeated its answer to the SYN
            self.assertIsNone(self.accepted(3.0))
            session = Session(Flow(way[0], 0, way[1], PORT), client, server)
            self.assertTrue(session.carries())

    def test_fastOpen(self) -> None:
        """
        Clients that send data with their SYN do not get around it: the service would hear them
        before the handshake proves anything.
        """
        self.server.run("sysctl", "-qw", "net.ipv4.tcp_fastopen=3")
        self.client.run("sysctl", "-qw", "net.ipv4.tcp_fastopen=1")
        self.listeners[PORT].setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 100)
        for way in WAYS:  # the clients learn the cookie while nobody guards
            self.assertTrue(self.fastOpen(way))
        drain(self.listeners[PORT])
        self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
            with self.deaf(f"tcp sport {PORT}"):
                for _ in range(10):
                    self.fastOpen(way)
                self.assertIsNone(self.accepted(0.5))
            self.assertIsNotNone(self.accepted())
            self.assertIsNone(self.accepted(3.0))

    def fastOpen(self, way: tuple[str, str]) -> socket.socket:
        """Send data with the SYN."""
        client = bound(self.client, self.flow(*way))
        self.addCleanup(client.close)
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.sendto(b"hello", socket.MSG_FASTOPEN, (way[1], PORT))
        return client

    def test_withoutTracking(self) -> None:
        """None of this needs connection tracking."""
        self.server.run("nft", "add table inet other")
        hook = "{ type filter hook %s priority raw; }"
        for chain, direction in (("prerouting", "dport"), ("output", "sport")):
            self.server.run("nft", f"add chain inet other {chain} {hook % chain}")
            self.server.run("nft", f"add rule inet other {chain} tcp {direction} {PORT} notrack")
        self.controlled(ONCE)
        self.open(CLIENT4)
        self.forge()
        session = self.session()
        self.assertFalse(self.reaches())
        self.assertTrue(session.carries())

    def test_forged(self) -> None:
        """
        Segments that a stranger sends in the client's name take nothing from the client; although
        connection tracking takes some of them for the end of a handshake.
        """
        self.controlled(ONCE)
        self.server.run("nft", "add table inet seen")
        hook = "{ type filter hook input priority -160; }"  # before the guard
        self.server.run("nft", f"add chain inet seen in {hook}")
        rule = "tcp sport 30000 tcp flags ack ct state established counter"
        self.server.run("nft", f"add rule inet seen in {rule}")
        self.open(CLIENT4)
        self.forge()
        self.assertNotIn("packets 0 ", self.server.run("nft", "list table inet seen"))
        self.assertEqual({("ssh", CLIENT4): (True, False)}, self.states())
        self.assertTrue(self.session().carries())
        self.assertTrue(self.becomesUsed())

    def test_flooded(self) -> None:
        """
        So does a flood of SYNs in the client's name: the host answers them all, with cookies when
        its backlog is full, and the client gets in between them.
        """
        self.controlled(ONCE)
        self.open(CLIENT4)
        with self.deaf("tcp dport 30000-60000"), self.stranger.inside():
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                for port in range(30000, 60000):
                    raw.sendto(forged(SYN, 1000, 0, port), (SERVER4, 0))
            session = self.session()
        self.assertTrue(session.carries())
        self.assertFalse(self.reaches())

    def forge(self) -> None:
        """Begin a connection in the client's name, and guess the number that acknowledges it."""
        # The client's kernel would reset a connection that it never began, which helps us.
        with self.deaf("tcp dport 30000"):
            with self.stranger.inside():
                raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            with raw:
                raw.sendto(forged(SYN, 1000, 0), (SERVER4, 0))
                step = 2**32 // GUESSES
                begin = random.randrange(step)
                for number in range(GUESSES):
                    raw.sendto(forged(ACK, 1001, begin + number * step), (SERVER4, 0))
