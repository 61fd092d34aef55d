"""The nftables firewall: features that others do not have."""

import signal
import socket
import time

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, PATIENCE, SERVER4, SERVER6, Daemon, eventually


class GuardTests(RealTestCase):
    """The guard's table in the kernel."""

    def test_closedFromTheStart(self) -> None:
        """A port that was open before the start is closed by it; loopback is not affected."""
        self.server.serve(PORT)
        self.assertTrue(self.client.reaches(PORT))
        Daemon(self.server, "-m", KNOCKS, "-p", str(PORT))
        self.assertFalse(self.client.reaches(PORT))
        self.assertTrue(self.server.reaches(PORT, "127.0.0.1"))
        self.assertTrue(self.server.reaches(PORT, SERVER4))

    def test_staysClosed(self) -> None:
        """A daemon that is stopped or killed leaves the port closed to everybody."""
        daemon = self.start(openFor="1h")
        for end in (signal.SIGTERM, signal.SIGKILL):
            daemon.stop(end)
            self.assertFalse(self.client.reaches(PORT))
            daemon = Daemon(self.server, "-m", KNOCKS, "-p", str(PORT))

    def test_oneTable(self) -> None:
        """Nobody else's rules are touched."""
        self.server.run("nft", "add table inet mine; add chain inet mine c { counter; }")
        before = self.server.run("nft", "list", "ruleset")
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        daemon.stop()
        self.server.run("nft", "delete", "table", "inet", "pkdoors")
        self.assertEqual(self.server.run("nft", "list", "ruleset"), before)

    def test_anothersDropCounts(self) -> None:
        """If another table drops the client, a knock does not overrule that."""
        self.server.run(
            "nft",
            "table inet ban { chain c { type filter hook input priority 0; "
            f"ip saddr {CLIENT4} tcp dport {PORT} drop; }}; }}",
        )
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertFalse(self.client.reaches(PORT))

    def test_udpAndRanges(self) -> None:
        """UDP ports and ranges are closed and opened like others."""
        answer = self.server.spawn("python3", "-c", _ECHO)
        self.assertTrue(answer.says("ready"))
        self.server.serve(6005)
        daemon = self.start("--udp-grace", "0", ports="51820/udp,6000-6010/tcp")
        self.assertFalse(self.client.reaches(6005) or self.echoes())
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door default (6000-6010/tcp,51820/udp)"))
        self.assertTrue(self.client.reaches(6005))
        self.assertTrue(eventually(self.echoes))

    def echoes(self) -> bool:
        """Return whether the UDP port answers the client."""
        with self.client.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0.4)
            sender.sendto(b"hello", (SERVER4, 51820))
            try:
                return sender.recv(100) == b"hello"
            except TimeoutError:
                return False

    def test_routedTrafficPasses(self) -> None:
        """Packets that are only routed through this host do not concern its doors."""
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.start()
        self.stranger.serve(PORT)
        self.assertTrue(self.client.reaches(PORT, "10.9.2.2"))

    def test_publishedPortIsGuarded(self) -> None:
        """A port that is forwarded to a container, as Docker does, is closed like a local one."""
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.server.run(
            "nft",
            "table ip nat { chain PREROUTING { type nat hook prerouting priority dstnat; "
            "ip daddr 10.9.1.1 tcp dport 8080 dnat to 10.9.2.2:80; }; }",
        )
        self.stranger.serve(80)
        self.assertTrue(self.client.reaches(8080))
        self.start(ports="8080")
        self.assertFalse(self.client.reaches(8080))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(8080))

    def test_foreignAddress(self) -> None:
        """So is one that is forwarded to this host from an address that is not its own."""
        self.client.run("ip", "route", "add", "198.51.100.7", "via", SERVER4)
        self.server.run(
            "nft",
            "table ip nat { chain PREROUTING { type nat hook prerouting priority dstnat; "
            f"ip daddr 198.51.100.7 dnat to {SERVER4}; }}; }}",
        )
        self.server.serve(PORT)
        self.assertTrue(self.client.reaches(PORT, "198.51.100.7"))
        Daemon(self.server, "-m", KNOCKS, "-p", str(PORT))
        self.assertFalse(self.client.reaches(PORT, "198.51.100.7"))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT, "198.51.100.7"))

    def test_sessionsBeforeTheStart(self) -> None:
        """
        Connections that exist when the daemon starts go on, even idle ones, and even if nothing
        tracked connections on the host before: they are the operator's way back.
        """
        server = self.server.serve(PORT)
        for address in (SERVER4, SERVER6):
            session = self.client.connect(PORT, address)
            self.addCleanup(session.close)
            other, _ = server.accept()
            self.addCleanup(other.close)
            other.settimeout(PATIENCE)
            daemon = Daemon(self.server, "-m", KNOCKS, "-p", str(PORT))
            self.assertFalse(self.client.reaches(PORT, address))
            session.sendall(b"still there?")
            self.assertEqual(other.recv(100), b"still there?")
            daemon.stop()
            self.server.run("nft", "delete", "table", "inet", "pkdoors")

    def test_oneInterface(self) -> None:
        """With --interface, knocks are heard on that address only."""
        daemon = self.start("--interface", "10.9.2.1")
        self.client.send(SEQUENCE)
        self.client.send(SEQUENCE, address="10.9.2.1")
        self.assertTrue(daemon.says("opened door"))
        time.sleep(0.2)
        self.assertNotIn("extended", daemon.log())


_ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 51820))
print("ready", flush=True)
while True:
    data, address = s.recvfrom(100)
    s.sendto(data, address)
"""
