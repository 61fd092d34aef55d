"""Attacks on doors of which an opening is for one connection."""

import random
import socket

from tests.lab.case import PORT
from tests.lab.conntrack import Flow
from tests.lab.controlled import SHARING, WEB, WEB_SEQUENCE, door
from tests.lab.flows import Session, begun
from tests.lab.hosts import SERVER4
from tests.lab.once import ONCE, WAYS, OnceTestCase, forged
from tests.lab.segments import ACK, SYN

SYNS = 60_000
"""Connections that a stranger begins in the client's name."""
GUESSES = 20_000
"""
Numbers that the stranger acknowledges then. If any connection's number were right for any other
connection, one in 2,000 would be right.
"""
PUBLISHED, INNER = 8080, 80
"""A protected port of the server, and the container's port behind it."""
REDIRECTED = 4444
"""A protected port whose connections go to another port of the server."""


class ReusedPortTests(OnceTestCase):
    """
    A client that has used its opening up takes the port of an earlier session again and again.
    """

    def begin(self, flow: Flow, port: int = 0) -> None:
        """Begin a session, check it, and end it so that the client can use its port again."""
        session = Session.begin(self.client, self.listeners[port or flow.port], flow)
        self.assertTrue(session.carries())
        session.reset()

    def assertOnce(self, flow: Flow, port: int = 0) -> None:
        """Check that exactly one session can begin on a flow."""
        self.open(flow.source)
        self.begin(flow, port)
        self.assertEqual([], begun(self.client, [flow]))
        self.assertTrue(self.becomesUsed(flow.source))

    def test_session(self) -> None:
        """The guard remembers the earlier session, which began through the same door."""
        self.controlled(ONCE)
        for way in WAYS:
            flow = self.flow(*way)
            self.assertOnce(flow)
            self.assertOnce(flow)

    def test_spared(self) -> None:
        """The guard remembers the earlier session, because it is older than the guard."""
        flows = [self.flow(*way) for way in WAYS]
        sessions = [Session.begin(self.client, self.listeners[PORT], flow) for flow in flows]
        self.controlled(ONCE)
        for session in sessions:
            self.assertTrue(session.carries())
            session.reset()
        for flow in flows:
            self.assertOnce(flow)

    def test_otherDoor(self) -> None:
        """The earlier session began through another door for the same port, which is closed."""
        self.controlled(ONCE, door("many", SHARING))
        for way in WAYS:
            flow = self.flow(*way)
            self.open(way[0], "many")
            self.begin(flow)
            self.ask(f"/openings/{way[0]}", "-X", "DELETE")
            self.assertOnce(flow)

    def test_container(self) -> None:
        """The earlier session went to a container."""
        container = self.network.add("container", 3)
        self.listeners[INNER] = container.serve(INNER)
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.server.run(
            "nft",
            "table inet docker { chain pre { type nat hook prerouting priority dstnat; "
            f"ip daddr {SERVER4} tcp dport {PUBLISHED} dnat ip to 10.9.3.2:{INNER}; "
            f"ip6 daddr fd09:1::1 tcp dport {PUBLISHED} dnat ip6 to [fd09:3::2]:{INNER}; }}; }}",
        )
        self.controlled(door("ssh", port=PUBLISHED, more='uses = "once"'))
        for way in WAYS:
            flow = self.flow(*way, PUBLISHED)
            self.assertOnce(flow, INNER)
            self.assertOnce(flow, INNER)

    def test_redirected(self) -> None:
        """
        The port is redirected to another one of the server's: a client gets in, and only once.
        """
        self.server.run(
            "nft",
            "table inet redirecting { chain pre { type nat hook prerouting priority dstnat; "
            f"tcp dport {REDIRECTED} redirect to :{WEB}; }}; }}",
        )
        self.controlled(door("ssh", port=REDIRECTED, more='uses = "once"'))
        for way in WAYS:
            flow = self.flow(*way, REDIRECTED)
            self.assertOnce(flow, WEB)
            self.assertOnce(flow, WEB)


class GuessingTests(OnceTestCase):
    """
    A stranger wants to use up what the client earned.
    """

    def test_manyConnections(self) -> None:
        """
        Many connections that a stranger begins in the client's name do not help to guess the number
        of one of them.
        """
        self.controlled(ONCE, door("web", WEB_SEQUENCE, WEB))
        source, target = WAYS[0]
        self.open(source)
        with self.stranger.inside():
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with raw:
            for number in range(SYNS):
                raw.sendto(forged(SYN, 1000, 0, 2000 + number), (target, 0))
            for _ in range(GUESSES):
                port, guess = random.randrange(2000, 2000 + SYNS), random.randrange(2**32)
                raw.sendto(forged(ACK, 1001, guess, port), (target, 0))
        self.assertEqual({("ssh", source): (True, False)}, self.states())
        self.assertTrue(self.session().carries())
        self.assertFalse(self.reaches())
