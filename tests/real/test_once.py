"""Doors of which an opening is for one connection."""

import contextlib
import random
import signal
import socket
import struct
from itertools import count

from tests.lab.case import PORT
from tests.lab.conntrack import Flow
from tests.lab.controlled import ControlledTestCase, door
from tests.lab.flows import Session, bound, drain
from tests.lab.hosts import (
    CLIENT4,
    CLIENT6,
    PATIENCE,
    SERVER4,
    SERVER6,
    eventually,
)
from tests.lab.segments import ACK, SYN

ONCE = door("ssh", more='uses = "once"')
WAYS = ((CLIENT4, SERVER4), (CLIENT6, SERVER6))
GUESSES = 100_000
"""Numbers that a stranger guesses. Connection tracking takes one in 65,000 for right."""
AT_ONCE = 50


class OnceCase(ControlledTestCase):
    """The client's connections, of which the test has both ends."""

    def setUp(self) -> None:
        """Choose a port for each connection."""
        super().setUp()
        self._ports = count(20001)

    def flow(self, source: str = CLIENT4, target: str = SERVER4, port: int = PORT) -> Flow:
        """Return a flow with a source port of its own."""
        return Flow(source, next(self._ports), target, port)

    def session(self, source: str = CLIENT4, target: str = SERVER4, port: int = PORT) -> Session:
        """Begin a session."""
        flow = self.flow(source, target, port)
        session = Session.begin(self.client, self.listeners[port], flow)
        self.addCleanup(session.close)
        return session

    def reaches(self, *way: str) -> bool:
        """Return whether another connection could begin."""
        source, target = way or WAYS[0]
        return self.client.reaches(PORT, target, source)

    def states(self) -> dict[tuple[str, str], tuple[bool, bool]]:
        """Return which openings are open, and which are used, as the daemon says."""
        return {
            (each["door"], each["source"]): (each["open"], each["used"])
            for each in self.ask("/openings")["openings"]
        }

    def becomesUsed(self, source: str = CLIENT4, name: str = "ssh") -> bool:
        """Wait until the daemon says that an opening is used."""
        return bool(eventually(lambda: self.states().get((name, source)) == (False, True)))


class KernelTests(OnceCase):
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
            drain(self.listeners[PORT])
            self.open(way[0])
            clients = [bound(self.client, self.flow(*way)) for _ in range(AT_ONCE)]
            for client in clients:
                self.addCleanup(client.close)
                client.setblocking(False)
            for client in clients:
                with contextlib.suppress(BlockingIOError):
                    client.connect((way[1], PORT))
            server = self.accepted()
            self.assertIsNone(self.accepted(1.0))
            assert server is not None
            (winner,) = [
                client for client in clients if client.getsockname()[1] == server.getpeername()[1]
            ]
            winner.setblocking(True)
            session = Session(Flow(way[0], 0, way[1], PORT), winner, server)
            self.assertTrue(session.carries())
            session.close()

    def accepted(self, patience: float = PATIENCE) -> socket.socket | None:
        """Return a connection that the service gets; L{None} if it gets none."""
        self.listeners[PORT].settimeout(patience)
        try:
            server = self.listeners[PORT].accept()[0]
        except TimeoutError:
            return None
        self.addCleanup(server.close)
        return server

    def test_repeated(self) -> None:
        """A client whose SYN is not answered at first sends it again, and gets in."""
        self.controlled(ONCE)
        for way in WAYS:
            self.open(way[0])
            self.client.run("nft", "add table inet lossy")
            self.client.run("nft", "add chain inet lossy in { type filter hook input priority 0; }")
            self.client.run("nft", f"add rule inet lossy in tcp sport {PORT} drop")
            client = bound(self.client, self.flow(*way))
            self.addCleanup(client.close)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect((way[1], PORT))
            self.assertIsNone(self.accepted(0.5))
            self.client.run("nft", "delete table inet lossy")
            self.assertIsNotNone(self.accepted())
            self.assertFalse(self.reaches(*way))

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

    def forge(self) -> None:
        """Begin a connection in the client's name, and guess the number that acknowledges it."""
        # The client's kernel would reset a connection that it never began, which helps us.
        self.client.run("nft", "add table inet deaf")
        self.client.run("nft", "add chain inet deaf in { type filter hook input priority 0; }")
        self.client.run("nft", "add rule inet deaf in tcp dport 30000 drop")
        with self.stranger.inside():
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with raw:
            raw.sendto(forged(SYN, 1000, 0), (SERVER4, 0))
            step = 2**32 // GUESSES
            begin = random.randrange(step)
            for number in range(GUESSES):
                raw.sendto(forged(ACK, 1001, begin + number * step), (SERVER4, 0))
        self.client.run("nft", "delete table inet deaf")


def forged(flags: int, sequence: int, acknowledged: int) -> bytes:
    """Return a packet of the client's."""
    head = struct.pack(
        "!HHIIBBHHH", 30000, PORT, sequence, acknowledged, 5 << 4, flags, 64240, 0, 0
    )
    ends = socket.inet_aton(CLIENT4) + socket.inet_aton(SERVER4)
    total = sum(struct.unpack("!16H", ends + struct.pack("!HH", 6, 20) + head))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    head = head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends + head
