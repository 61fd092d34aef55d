"""Sessions that go on when a door has closed, and for how long."""

import signal
import socket
import time
from itertools import count

from pkdoors.firewall.nftables._liveflows import readUptime
from pkdoors.firewall.nftables.firewall import SETTLED
from tests.lab.case import PORT, SEQUENCE
from tests.lab.conntrack import ConntrackTable, Flow
from tests.lab.controlled import SSH, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.echoing import DatagramEchoServer, DatagramFlow
from tests.lab.flows import Session, drain
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    CLIENT6,
    PATIENCE,
    SERVER4,
    SERVER6,
    STRANGER4,
    STRANGER6,
    Host,
    eventually,
)

WAYS = ((CLIENT4, SERVER4), (CLIENT6, SERVER6))
STRANGERS_WAYS = ((STRANGER4, SERVER4), (STRANGER6, SERVER6))
WIREGUARD = 51820
"""A protected UDP port."""
OUTGOING = 2224
"""A protected port, over TCP or UDP, on which no service listens."""
FORWARDED = 51822
"""A protected UDP port that is forwarded to a container."""
GAME = 51821
"""Another one, whose door cuts sessions."""

_NOTRACK = f"""
table inet other {{
    chain before {{
        type filter hook prerouting priority raw; policy accept;
        tcp dport {PORT} notrack
    }}
    chain answers {{
        type filter hook output priority raw; policy accept;
        tcp sport {PORT} notrack
    }}
}}
"""


class _SessionsCase(ControlledTestCase):
    """Sessions of which the test has both ends."""

    def setUp(self) -> None:
        """Choose a port for each session."""
        super().setUp()
        self._ports = count(20001)

    def session(self, source: str, target: str, host: Host | None = None) -> Session:
        """Begin a session."""
        flow = Flow(source, next(self._ports), target, PORT)
        session = Session.begin(host or self.client, self.listeners[PORT], flow)
        self.addCleanup(session.close)
        return session

    def letIn(self) -> list[Session]:
        """Open the door, and begin sessions."""
        for source, _ in WAYS:
            self.open(source)
        sessions = [self.session(*way) for way in WAYS]
        for each in sessions:
            self.assertTrue(each.carries())
        return sessions

    def closeDoors(self) -> None:
        """Close all doors."""
        self.ask("/openings", "-X", "DELETE")
        drain(self.listeners[PORT])
        self.assertFalse(self.client.reaches(PORT) or self.client.reaches(PORT, SERVER6))

    def assertLive(self, sessions: list[Session]) -> None:
        """Check that all sessions still carry data."""
        for each in sessions:
            self.assertTrue(each.carries(), each.flow)


class KeptTests(_SessionsCase):
    """TCP sessions that were let in."""

    def test_forgotten(self) -> None:
        """They go on when connection tracking forgets everything, as after a WAN fail-over."""
        self.controlled(SSH)
        sessions = self.letIn()
        self.closeDoors()
        self.assertLive(sessions)
        ConntrackTable(self.server).flush()
        self.assertLive(sessions)
        self.assertFalse(self.client.reaches(PORT))

    def test_flushedTwice(self) -> None:
        """So they do if everything is flushed after that, and the daemon restarts."""
        daemon = self.controlled(SSH)
        sessions = self.letIn()
        self.closeDoors()
        ConntrackTable(self.server).flush()
        self.server.run("nft", "flush", "ruleset")
        self.assertTrue(eventually(lambda: not self.stranger.reaches(PORT)))
        self.assertLive(sessions)
        daemon.stop(signal.SIGKILL)
        self.controlled(SSH)
        ConntrackTable(self.server).flush()
        self.assertLive(sessions)
        self.assertFalse(self.client.reaches(PORT) or self.stranger.reaches(PORT))

    def test_notTracked(self) -> None:
        """So they do if another table exempts the port from connection tracking."""
        for before in (True, False):
            with self.subTest(before):
                if before:
                    self.server.run("nft", _NOTRACK)
                daemon = self.controlled(SSH)
                sessions = self.letIn()
                if not before:
                    self.server.run("nft", _NOTRACK)
                self.closeDoors()
                self.assertLive(sessions)
                self.assertFalse(self.stranger.reaches(PORT))
                daemon.stop()
                self.server.run("nft", "delete table inet other")

    def test_checked(self) -> None:
        """C{pkdoors check} names the rule that exempts the port."""
        self.controlled(SSH)
        self.server.run("nft", _NOTRACK)
        _, output = self.server.status(str(BIN / "pkdoors"), "check", "--conf", str(self.file))
        self.assertIn("notrack", output)

    def test_reloaded(self) -> None:
        """So they do over reloads, and with a door of another name."""
        self.controlled(SSH)
        sessions = self.letIn()
        self.write(SSH.replace("doors.ssh", "doors.shell"))
        self.reload()
        self.assertFalse(self.client.reaches(PORT))
        self.assertLive(sessions)

    def test_beganHere(self) -> None:
        """A connection that the host itself begins is answered, even from a protected port."""
        self.controlled(door("ssh", port=OUTGOING), datagramDoor("vpn", OUTGOING, WEB_SEQUENCE))
        self.client.run("ip", "address", "add", "10.9.1.3/24", "dev", "server")
        listener = self.client.serve(9999)
        for number, (target, source) in enumerate(WAYS):
            session = Session.begin(self.server, listener, Flow(source, OUTGOING, target, 9999))
            self.addCleanup(session.close)
            self.assertTrue(session.carries(), source)
            self.assertTrue(self.isAsked(source, target, 9000 + number), source)
        self.server.run("nft", _NOTRACK.replace(str(PORT), str(OUTGOING)))
        session = Session.begin(self.server, listener, Flow(SERVER4, OUTGOING, "10.9.1.3", 9999))
        self.addCleanup(session.close)
        self.assertTrue(session.carries())
        self.assertFalse(self.stranger.reaches(OUTGOING))

    def isAsked(self, source: str, target: str, port: int) -> bool:
        """Return whether the server, with a UDP socket at the protected port, gets an answer."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        with self.server.inside():
            here = socket.socket(family, socket.SOCK_DGRAM)
        with self.client.inside():
            there = socket.socket(family, socket.SOCK_DGRAM)
        with here, there:
            here.bind((source, OUTGOING))
            there.bind((target, port))
            here.sendto(b"question", (target, port))
            there.settimeout(PATIENCE)
            _, asker = there.recvfrom(100)
            there.sendto(b"answer", asker)
            here.settimeout(PATIENCE)
            try:
                return here.recv(100) == b"answer"
            except OSError:
                return False


class FirstStartTests(_SessionsCase):
    """Clients that were connected before the daemon ever ran."""

    def test_spared(self) -> None:
        """Their TCP sessions go on, through everything that sessions of open doors survive."""
        sessions = [self.session(*way, self.stranger) for way in STRANGERS_WAYS]
        daemon = self.controlled(SSH)
        self.assertLive(sessions)
        ConntrackTable(self.server).flush()
        self.assertLive(sessions)
        daemon.stop(signal.SIGKILL)
        daemon = self.controlled(SSH)
        self.assertLive(sessions)
        self.server.run("nft", "flush", "ruleset")
        self.assertTrue(eventually(lambda: not self.stranger.reaches(PORT)))
        self.assertLive(sessions)

    def test_forwarded(self) -> None:
        """So do those to a published port of a container."""
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.server.run(
            "nft",
            "table ip nat { chain PREROUTING { type nat hook prerouting priority dstnat; "
            f"ip daddr {SERVER4} tcp dport 8080 dnat to {STRANGER4}:80; }}; }}",
        )
        listener = self.stranger.serve(80)
        session = Session.begin(self.client, listener, Flow(CLIENT4, 20001, SERVER4, 8080))
        self.addCleanup(session.close)
        self.assertTrue(session.carries())
        daemon = self.daemonFor("8080")
        self.assertTrue(session.carries(), daemon)
        self.assertFalse(self.client.reaches(8080))

    def daemonFor(self, ports: str) -> str:
        """Start the daemon, and return its log."""
        return self.daemon(ports=ports).log()

    def test_datagrams(self) -> None:
        """
        An existing UDP flow goes on, so an operator who comes in by WireGuard is not locked out; no
        other flow gets an answer after the grace. Over IPv6 nothing is tracked here: those flows
        are spared by the grace alone, and soon after a boot there is no grace.
        """
        isGraced = readUptime() >= SETTLED
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.server.run(
            "nft",
            "table ip nat { chain PREROUTING { type nat hook prerouting priority dstnat; "
            f"ip daddr {SERVER4} udp dport {FORWARDED} dnat to {STRANGER4}; }}; }}",
        )
        here = DatagramEchoServer(self.server, WIREGUARD)
        container = DatagramEchoServer(self.stranger, FORWARDED, (STRANGER4,))
        ways = ((WIREGUARD, SERVER4), (WIREGUARD, SERVER6), (FORWARDED, SERVER4))
        with here, container:
            flows = [DatagramFlow(self.client, *way) for way in ways]
            late = [DatagramFlow(self.client, *way) for way in ways]
            for each in (*flows, *late):
                self.addCleanup(each.close)
            self.assertEqual([each.isAnswered(2) for each in flows], [True] * len(ways))
            ports = f'"{WIREGUARD}/udp", "{FORWARDED}/udp"'
            vpn = datagramDoor("vpn", WIREGUARD, more=GRACE_SETTING).replace(
                f'"{WIREGUARD}/udp"', ports
            )
            self.controlled(vpn)
            goOn = [isGraced or target != SERVER6 for _, target in ways]
            end = time.monotonic() + GRACE + 2
            while time.monotonic() < end:
                self.assertEqual([each.isAnswered(2) for each in flows], goOn)
                time.sleep(0.3)
            self.assertEqual([each.isAnswered() for each in late], [False] * len(ways))
            self.assertEqual([each.isAnswered(2) for each in flows], goOn)


GRACE = 4
"""Seconds from the first start in which UDP flows show themselves."""
GRACE_SETTING = f'udp_grace = "{GRACE}s"'
NO_GRACE = 'udp_grace = "0"'
IDLE, MOST = 4, 15
"""Seconds for which a UDP session may be silent, and may last, after its door has closed."""


def datagramDoor(
    name: str, port: int, sequence: tuple[int, ...] = SEQUENCE, policy: str = "keep", more: str = ""
) -> str:
    """Return a door to a UDP port."""
    return (
        f'[doors.{name}]\nsequence = {list(sequence)}\nports = ["{port}/udp"]\n'
        f'sessions = "{policy}"\nopen_for = "1m"\n{more}\n'
    )


class DatagramTests(ControlledTestCase):
    """UDP sessions, which nobody ends."""

    def test_bounds(self) -> None:
        """
        After the door has closed, a flow goes on until it is silent for too long, but not for ever;
        a reload and the daemon's end do not change that. With C{sessions = "cut"} it ends at once.
        """
        bounds = f'udp_idle = "{IDLE}s"\nudp_max = "{MOST}s"\n{NO_GRACE}\n'
        vpn = datagramDoor("vpn", WIREGUARD, more=bounds)
        game = datagramDoor("game", GAME, WEB_SEQUENCE, "cut", NO_GRACE)
        daemon = self.controlled(vpn, game)
        with DatagramEchoServer(self.server, WIREGUARD), DatagramEchoServer(self.server, GAME):
            targets = (SERVER4, SERVER6)
            talking = [DatagramFlow(self.client, WIREGUARD, each) for each in targets]
            silent = [DatagramFlow(self.client, WIREGUARD, each) for each in targets]
            cut = [DatagramFlow(self.client, GAME, each) for each in targets]
            strange = [DatagramFlow(self.stranger, WIREGUARD, each) for each in targets]
            for each in (*talking, *silent, *cut, *strange):
                self.addCleanup(each.close)
            for source in (CLIENT4, CLIENT6):
                self.open(source, "vpn", 60)
                self.open(source, "game", 60)
            self.assertAnswered(*talking, *silent, *cut)
            self.ask("/openings", "-X", "DELETE")
            closed = time.monotonic()
            self.assertNotAnswered(*cut, *strange)
            self.assertAnswered(*talking)
            self.write(vpn)
            self.reload()
            while time.monotonic() < closed + IDLE + 1.5:
                self.assertAnswered(*talking)
                time.sleep(0.2)
            self.assertNotAnswered(*silent)
            self.assertAnswered(*talking)
            daemon.stop(signal.SIGKILL)
            self.assertAnswered(*talking)
            while time.monotonic() < closed + MOST + 1:
                for each in talking:
                    each.isAnswered()
                time.sleep(0.2)
            self.assertNotAnswered(*talking)
            self.controlled(vpn)
            self.assertNotAnswered(*talking, *silent, *strange)
            self.open(CLIENT4, "vpn", 60)
            self.assertAnswered(talking[0], silent[0])

    def test_stated(self) -> None:
        """The bounds are options of the command line, too, and the status shows them."""
        socket = self.folder / "admin.sock"
        self.daemon("--udp-idle", "3m", "--udp-max", "12h", ports=f"{WIREGUARD}/udp")
        self.assertTrue(eventually(socket.exists))
        (stated,) = self.ask("/status")["doors"]
        self.assertEqual((stated["udp_idle"], stated["udp_max"]), (180, 12 * 3600), stated)

    def assertAnswered(self, *flows: DatagramFlow) -> None:
        """Check that each flow gets an answer to a new datagram."""
        self.assertEqual([each.isAnswered(2) for each in flows], [True] * len(flows))

    def assertNotAnswered(self, *flows: DatagramFlow) -> None:
        """Check that no flow does."""
        self.assertEqual([each.isAnswered() for each in flows], [False] * len(flows))
