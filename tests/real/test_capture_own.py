"""This host's own connections at a knock port go on, and local programs get no knock for that."""

import socket
from collections.abc import Callable
from contextlib import ExitStack, closing

from tests.lab.case import PORT, SEQUENCE
from tests.lab.hosts import CLIENT4, CLIENT6, PATIENCE, SERVER4, SERVER6
from tests.real.test_tcpknocks import ADDRESSES, ALL_TCP, OURS, TcpTestCase, tcpDoor

THERE = 8080
"""A port of the client's, where it listens."""
UNTRACKED = (
    "add table inet other",
    "add chain inet other come { type filter hook prerouting priority -310; }",
    "add chain inet other go { type filter hook output priority -310; }",
    f"add rule inet other come tcp sport {THERE} notrack",
    f"add rule inet other go tcp dport {THERE} notrack",
)


class OwnTests(TcpTestCase):
    """Over TCP; L{tests.real.test_capture.HiddenTests} has datagrams."""

    def begin(self, target: str, port: int = SEQUENCE[0]) -> socket.socket:
        """Connect from a knock port of the server's to the client."""
        family, own = (socket.AF_INET6, SERVER6) if ":" in target else (socket.AF_INET, SERVER4)
        with self.server.inside():
            one = socket.socket(family, socket.SOCK_STREAM)
        self.addCleanup(one.close)
        one.settimeout(PATIENCE)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((own, port))
        one.connect((target, THERE))
        return one

    def checkGoesOn(self, one: socket.socket, other: socket.socket) -> None:
        """Check that bytes arrive, those of the other end first."""
        for sender, receiver in ((other, one), (one, other)):
            receiver.settimeout(PATIENCE)
            sender.sendall(b"more")
            self.assertEqual(b"more", receiver.recv(100))

    def checkOwn(self, change: Callable[[], object] = lambda: None) -> None:
        """Check that the host's own connections from a knock port outlive a change."""
        listener = self.client.serve(THERE)
        self.controlled(tcpDoor())
        for target in (CLIENT4, CLIENT6):
            one = self.begin(target)
            other, _ = listener.accept()
            with closing(other):
                self.checkGoesOn(one, other)
                change()
                self.checkGoesOn(one, other)

    def test_own(self) -> None:
        """This host can begin a connection from a port whose number is a knock port's."""
        self.checkOwn()

    def test_flushed(self) -> None:
        """It goes on after somebody has flushed the kernel's table of connections."""
        self.checkOwn(lambda: self.server.run("conntrack", "-F"))

    def test_untracked(self) -> None:
        """It goes on if another table exempts it from connection tracking."""
        for command in UNTRACKED:
            self.server.run("nft", command)
        self.checkOwn()

    def test_service(self) -> None:
        """What was connected to a service on a knock port before the daemon started goes on."""
        listener = self.server.serve(SEQUENCE[0])
        with closing(self.client.connect(SEQUENCE[0])) as one:
            other, _ = listener.accept()
            with closing(other):
                self.controlled(tcpDoor())
                self.checkGoesOn(other, one)
                self.server.run("conntrack", "-F")
                self.checkGoesOn(other, one)
        self.assertFalse(self.client.reaches(SEQUENCE[0]))

    def test_noAnswer(self) -> None:
        """
        A local program that connects from a knock port to the port from which a client then knocks
        gets no connection: a knock is no answer.
        """
        self.client.run("nft", "add table inet mute")
        hook = "{ type filter hook input priority 0; }"
        self.client.run("nft", f"add chain inet mute input {hook}")
        self.client.run("nft", f"add rule inet mute input tcp dport {THERE} drop")
        self.controlled(tcpDoor())
        port = SEQUENCE[0]
        with ExitStack() as opened:
            with self.server.inside():
                asking = opened.enter_context(socket.socket())
                listening = opened.enter_context(socket.socket())
            for each in (asking, listening):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                each.bind((SERVER4, port))
                each.setblocking(False)
            asking.connect_ex((CLIENT4, THERE))
            asking.close()
            listening.listen()
            self.client.run("nft", "delete table inet mute")
            with self.client.inside():
                knocking = opened.enter_context(socket.socket())
            knocking.settimeout(1)
            knocking.bind((CLIENT4, THERE))
            self.assertRaises(OSError, knocking.connect, (SERVER4, port))
            self.comes(lambda: self.heard() == 1)
            self.assertRaises(BlockingIOError, listening.accept)

    def test_opens(self) -> None:
        """With such a connection, the port is still heard."""
        self.client.serve(THERE)
        self.controlled(tcpDoor())
        self.begin(CLIENT4)
        for address in ADDRESSES:
            self.client.run(*OURS, ",".join(ALL_TCP), address)
            self.assertTrue(self.client.comesToReach(PORT, address))
