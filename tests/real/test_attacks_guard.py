"""Attacks by somebody who knows the guard's rules."""

import re
import signal
import socket
import time
from unittest import SkipTest

from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.nftables.table import openTable
from pkdoors.model.doors import Door
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence
from tests.lab.case import PORT, SEQUENCE
from tests.lab.conntrack import ConntrackTable, Flow
from tests.lab.controlled import SSH, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.echoing import DatagramEchoServer, DatagramFlow
from tests.lab.flows import Session
from tests.lab.hosts import (
    CLIENT4,
    PATIENCE,
    REFUSAL,
    SERVER4,
    STRANGER4,
    Host,
    eventually,
)
from tests.lab.segments import ACK, FIN, PSH, RST, SYN, send
from tests.real.test_guard_sessions import NO_GRACE, OUTGOING, WIREGUARD, datagramDoor

GRACE = 3
"""Seconds for which a UDP port stays open when it is protected for the first time."""
PUBLISHED, INNER = 8080, 80
"""A protected port of the server, and the container's port behind it."""
ALL_PORTS = range(65536)
"""The number of flows that fills a set."""


LONG = "expires [45]d"
"""The state of a flow that is remembered for days."""
LINK_LOCAL = "fe80::dead"


class Killed(Exception):
    """A daemon that is killed at this point."""


class GraceTests(ControlledTestCase):
    """The time for which a UDP port stays open when it is protected for the first time."""

    def test_healed(self) -> None:
        """The time is over for good: restoring the guard does not begin it again."""
        self.controlled(datagramDoor("vpn", WIREGUARD, more=f'udp_grace = "{GRACE}s"'))
        with DatagramEchoServer(self.server, WIREGUARD):
            self.assertTrue(eventually(lambda: not self.isAnswered()))
            self.server.run("nft", "flush", "ruleset")
            self.assertTrue(eventually(self.isGuarded))
            self.assertFalse(self.isAnswered())

    def isAnswered(self) -> bool:
        """Return whether a stranger who never spoke before gets an answer."""
        stranger = DatagramFlow(self.stranger, WIREGUARD)
        try:
            return stranger.isAnswered()
        finally:
            stranger.close()

    def isGuarded(self) -> bool:
        """Return whether the guard is in place."""
        listing = self.server.status("nft", "list", "set", "inet", "pkdoors", "udp_ports")[1]
        return str(WIREGUARD) in listing


class SpoofedTests(ControlledTestCase):
    """Flows that a stranger forges in the name of a client whose door is open."""

    def setUp(self) -> None:
        """Give the stranger the client's address, too."""
        super().setUp()
        self.stranger.run("ip", "address", "add", f"{CLIENT4}/32", "dev", "lo")

    def remembered(self, name: str) -> int:
        """Return how many flows a set has."""
        listing = self.server.run("nft", "list", "set", "inet", "pkdoors", name)
        return len(re.findall(r"expires", listing))

    def test_segments(self) -> None:
        """
        Segments without a connection fill no set of sessions, so that the sessions of others, even
        at another door, continue when their door has closed.
        """
        self.controlled(SSH)
        self.open(CLIENT4)
        self.open(STRANGER4)
        for flags in (0, RST, FIN | ACK, ACK | PSH, RST | ACK, SYN | ACK):
            flows = (Flow(CLIENT4, port, SERVER4, PORT) for port in range(30000, 30500))
            send(self.stranger, ((each, flags) for each in flows))
            self.assertEqual(self.remembered("sessions4"), 0, flags)
        for flags in (ACK, SYN):
            flows = (Flow(CLIENT4, port, SERVER4, PORT) for port in ALL_PORTS)
            send(self.stranger, ((each, flags) for each in flows))
            self.assertEqual(self.remembered("sessions4"), 0, flags)
        flow = Flow(STRANGER4, 20001, SERVER4, PORT)
        session = Session.begin(self.stranger, self.listeners[PORT], flow)
        self.addCleanup(session.close)
        self.assertTrue(session.carries())
        self.ask("/openings", "-X", "DELETE")
        self.assertTrue(session.carries())

    def test_datagrams(self) -> None:
        """Datagrams that the service does not answer fill no set, either."""
        self.controlled(datagramDoor("vpn", WIREGUARD, more=NO_GRACE))
        self.open(CLIENT4, "vpn")
        self.open(STRANGER4, "vpn")
        self.stranger.send([WIREGUARD] * 3, source=CLIENT4)
        self.assertEqual(self.remembered("udpidle4_180000ms_43200000ms"), 0)
        self.assertEqual(self.remembered("udpmost4_180000ms_43200000ms"), 0)
        with DatagramEchoServer(self.server, WIREGUARD):
            flow = DatagramFlow(self.stranger, WIREGUARD)
            self.addCleanup(flow.close)
            self.assertTrue(flow.isAnswered() and flow.isAnswered())
            self.ask("/openings", "-X", "DELETE")
            self.assertTrue(flow.isAnswered())

    def test_closedInTheMidst(self) -> None:
        """
        A client whose door closes during its handshake has begun its session, so it continues.
        """
        self.controlled(SSH)
        self.open(CLIENT4)
        # The server's answer is held back until the door has closed.
        hook = "type filter hook output priority 0"
        self.server.run("nft", f"table ip hold {{ chain c {{ {hook}; tcp sport {PORT} drop; }}; }}")
        with self.client.inside():
            client = socket.socket()
        self.addCleanup(client.close)
        client.setblocking(False)
        client.connect_ex((SERVER4, PORT))
        self.assertTrue(eventually(lambda: self.remembered("beginning4") == 1))
        self.ask("/openings", "-X", "DELETE")
        self.server.run("nft", "delete", "table", "ip", "hold")
        self.listeners[PORT].settimeout(PATIENCE)
        server, _ = self.listeners[PORT].accept()
        self.addCleanup(server.close)
        client.settimeout(PATIENCE)
        client.sendall(b"still here")
        server.settimeout(PATIENCE)
        self.assertEqual(server.recv(100), b"still here")


class ForwardedCutTests(ControlledTestCase):
    """A published port of a container whose door cuts sessions."""

    web = door("web", WEB_SEQUENCE, PUBLISHED, 'sessions = "cut"\n')

    def setUp(self) -> None:
        """Publish the port."""
        super().setUp()
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.server.run(
            "nft",
            "table ip nat { chain PREROUTING { type nat hook prerouting priority dstnat; "
            f"ip daddr {SERVER4} tcp dport {PUBLISHED} dnat to {STRANGER4}:{INNER}; }}; }}",
        )
        self.listener = self.stranger.serve(INNER)

    def session(self) -> Session:
        """Begin a session through the open door."""
        self.open(CLIENT4, "web")
        flow = Flow(CLIENT4, 20001, SERVER4, PUBLISHED)
        session = Session.begin(self.client, self.listener, flow)
        self.addCleanup(session.close)
        self.assertTrue(session.carries())
        return session

    def test_revived(self) -> None:
        """A session that ended with its opening is not revived by a reload or a restart."""
        daemon = self.controlled(self.web)
        session = self.session()
        self.ask("/openings", "-X", "DELETE")
        self.write(self.web, SSH)
        self.reload()
        self.assertEqual(self.spared(), "")
        daemon.stop()
        self.controlled(self.web)
        self.assertEqual(self.spared(), "")
        self.assertFalse(session.carries(3.0))

    def spared(self) -> str:
        """Return the flows that continue without an opening."""
        listing = self.server.run("nft", "list", "set", "inet", "pkdoors", "spared4")
        return listing.partition("elements")[2]

    def test_keptBefore(self) -> None:
        """A door that used to keep sessions cuts them when it closes."""
        self.controlled(door("web", WEB_SEQUENCE, PUBLISHED))
        session = self.session()
        self.write(self.web)
        self.reload()
        self.assertTrue(session.carries())
        self.ask("/openings", "-X", "DELETE")
        self.assertFalse(session.carries(3.0))


class HandOverTests(ControlledTestCase):
    """A daemon that is killed during a hand-over, when only the second table exists."""

    def test_killed(self) -> None:
        """The next daemon finds the openings and sessions there, and grants no grace period."""
        doors = (SSH, datagramDoor("vpn", WIREGUARD, WEB_SEQUENCE))
        daemon = self.controlled(*doors)
        self.open(CLIENT4)
        self.open(CLIENT4, "vpn")
        with DatagramEchoServer(self.server, WIREGUARD):
            flow = DatagramFlow(self.client, WIREGUARD)
            self.addCleanup(flow.close)
            self.assertTrue(flow.isAnswered(PATIENCE) and flow.isAnswered(PATIENCE))
            self.ask(f"/openings/{CLIENT4}?door=vpn", "-X", "DELETE")
            daemon.stop(signal.SIGKILL)
            self.leaveHandOver()
            ConntrackTable(self.server).flush()
            self.controlled(*doors)
            self.assertEqual(self.openings(), {("ssh", CLIENT4)})
            self.assertTrue(self.client.reaches(PORT))
            stranger = DatagramFlow(self.stranger, WIREGUARD)
            self.addCleanup(stranger.close)
            self.assertFalse(self.stranger.reaches(PORT) or stranger.isAnswered())
            self.assertTrue(flow.isAnswered(PATIENCE))
        self.assertNotIn("handover", self.server.run("nft", "list", "tables"))

    def leaveHandOver(self) -> None:
        """Begin a hand-over, and stop after the deletion of the first table."""

        def fall(name: str) -> bool:
            delete(name)
            raise Killed

        ports = {"ssh": f"{PORT}", "vpn": f"{WIREGUARD}/udp"}
        doors = tuple(
            Door(name, Sequence(SEQUENCE), parsePortRanges(text)) for name, text in ports.items()
        )
        with self.server.inside():
            table = openTable(time.monotonic)
            delete = table.delete
            self.patch(table, "delete", fall)
            self.patch(table, "_fits", lambda survey: False)
            openings = table.readPredecessor(doors, True).openings
            self.assertRaises(Killed, table.replace, Guard(doors), openings, {})
            table.close()
        self.assertEqual(self.server.run("nft", "list", "tables").count("pkdoors"), 1)


class LinkLocalTests(ControlledTestCase):
    """Two hosts with the same link-local address, on two of the server's networks."""

    def test_otherLink(self) -> None:
        """An opening that one of them earns does not let in the other."""
        self.controlled(SSH)
        for host in (self.client, self.stranger):
            host.run("ip", "address", "add", f"{LINK_LOCAL}/64", "dev", "server", "nodad")
        for side in ("client", "stranger"):
            self.server.run("ip", "address", "add", "fe80::1/64", "dev", side, "nodad")
        with self.bound(self.client, socket.SOCK_DGRAM) as knocks:
            for port in SEQUENCE:
                knocks.sendto(b"knock\n", ("fe80::1", port, 0, self.link(self.client)))
                time.sleep(0.01)
        self.assertTrue(eventually(lambda: self.openings() or self.refusals()))
        with self.bound(self.stranger, socket.SOCK_STREAM) as connection:
            connection.settimeout(REFUSAL)
            target = ("fe80::1", PORT, 0, self.link(self.stranger))
            self.assertRaises(OSError, connection.connect, target)

    def refusals(self) -> bool:
        """Return whether the daemon's log reports a refusal."""
        return any(
            "refused door" in each.read_text() for each in self.folder.glob("*pkdoors-*.log")
        )

    def link(self, host: Host) -> int:
        """Return the number of the host's network device."""
        with host.inside():
            return socket.if_nametoindex("server")

    def bound(self, host: Host, kind: socket.SocketKind) -> socket.socket:
        """Return a socket with the link-local address."""
        with host.inside():
            found = socket.socket(socket.AF_INET6, kind)
        found.bind((LINK_LOCAL, 0, 0, self.link(host)))
        return found


class ResetTests(ControlledTestCase):
    """Flows that this host ends with a reset, while the other side stays silent."""

    def test_forgotten(self) -> None:
        """Such flows are soon forgotten, and fill no set."""
        self.controlled(door("ssh", port=OUTGOING), door("web", WEB_SEQUENCE))
        self.open(CLIENT4, "web")
        listener = self.client.serve(9999)
        ways = (
            (self.client, self.listeners[PORT], Flow(CLIENT4, 20001, SERVER4, PORT)),
            (self.server, listener, Flow(SERVER4, OUTGOING, CLIENT4, 9999)),
        )
        for host, server, flow in ways:
            session = Session.begin(host, server, flow)
            self.addCleanup(session.close)
            self.assertTrue(session.carries())
            self.assertRegex(self.listed(), LONG)
            if host is self.server:
                session.client, session.server = session.server, session.client
            session.reset()
            self.assertTrue(eventually(lambda: not re.search(LONG, self.listed())), self.listed())
            self.assertRegex(self.listed(), "expires [12]m")

    def listed(self) -> str:
        """Return the flows."""
        names = ("sessions4", "spared4")
        return "".join(self.server.run("nft", "list", "set", "inet", "pkdoors", n) for n in names)


class FullTests(ControlledTestCase):
    """The set of sessions, filled by clients that have earned an opening."""

    def test_letIn(self) -> None:
        """A client whose door is open gets in, although the guard cannot remember its session."""
        daemon = self.controlled(SSH)
        if self.isOwned():
            raise SkipTest("nobody but the daemon can fill the set")
        elements = ", ".join(
            f"172.16.{number >> 8}.{number & 255} . {SERVER4} . 1 . {PORT}" for number in ALL_PORTS
        )
        file = self.folder / "fill"
        file.write_text(f"add element inet pkdoors sessions4 {{ {elements} }}\n")
        self.server.run("nft", "-f", str(file))
        self.assertTrue(daemon.says("restored the rules of pkdoors in nftables"), daemon.log())
        listing = self.server.run("nft", "list", "set", "inet", "pkdoors", "sessions4")
        self.assertEqual(len(ALL_PORTS), listing.count(" expires "))
        self.open(CLIENT4)
        session = Session.begin(
            self.client, self.listeners[PORT], Flow(CLIENT4, 4001, SERVER4, PORT)
        )
        self.addCleanup(session.close)
        self.assertTrue(session.carries())
