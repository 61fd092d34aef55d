"""Openings for networks, in real firewalls."""

import signal
import time
from select import select
from socket import AF_INET, AF_INET6, SO_ERROR, SOCK_DGRAM, SOL_SOCKET, socket

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SSH, WEB, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.hosts import (
    CLIENT4,
    CLIENT6,
    PATIENCE,
    SERVER4,
    SERVER6,
    STRANGER4,
    STRANGER6,
    Daemon,
    Host,
    eventually,
)

NEAR, FAR = "10.9.1.77", "10.9.1.200"
"""Two more addresses of the client: one is in L{HALF}, both are in L{NET}."""
NEAR6, FAR6 = "fd09:1::77", "fd09:1:0:1::77"
NET, HALF, WIDE = "10.9.1.0/24", "10.9.1.0/25", "10.9.0.0/16"
NET6, WIDE6 = "fd09:1::/64", "fd09::/16"
CUT = door("cut", WEB_SEQUENCE, WEB, 'sessions = "cut"')
DNS = 5300
"""A protected UDP port."""
SILENCE = 0.4
"""Seconds after which a client that gets no answer is kept out: a SYN is sent again after one."""


def begin(source: str, port: int) -> socket:
    """Begin to connect from an address to the server, on the host that has the address."""
    beginning = socket(AF_INET6 if ":" in source else AF_INET)
    beginning.setblocking(False)
    beginning.bind((source, 0))
    beginning.connect_ex((SERVER6 if ":" in source else SERVER4, port))
    return beginning


class NetworkTests(ControlledTestCase):
    """
    Networks, with the guard alone.
    """

    def setUp(self) -> None:
        """Give the client more addresses."""
        super().setUp()
        for address in (f"{NEAR}/24", f"{FAR}/24", f"{NEAR6}/48", f"{FAR6}/48"):
            option = ("nodad",) if ":" in address else ()
            self.client.run("ip", "address", "add", address, "dev", "server", *option)
        self.server.run("ip", "route", "add", "fd09:1:0:1::/64", "dev", "client")

    def inside(self, port: int = PORT) -> set[str]:
        """Return the addresses of clients that reach a port now."""
        asking: dict[socket, str] = {}
        for host, sources in (
            (self.client, (CLIENT4, NEAR, FAR, CLIENT6, NEAR6, FAR6)),
            (self.stranger, (STRANGER4, STRANGER6)),
        ):
            with host.inside():
                asking |= {begin(source, port): source for source in sources}
        found = set()
        ends = time.monotonic() + SILENCE
        while (left := ends - time.monotonic()) > 0:
            _, ready, _ = select((), [*asking], (), left)
            found |= {asking[one] for one in ready if not one.getsockopt(SOL_SOCKET, SO_ERROR)}
            for one in ready:
                del asking[one]
                one.close()
        for one in asking:
            one.close()
        return found

    def comesToBe(self, expected: set[str]) -> bool:
        """Wait until exactly these addresses reach the port; return whether they did."""
        return bool(eventually(lambda: self.inside() == expected))

    def close(self, source: str) -> list[str]:
        """Close what is open for just this source; return what the daemon says of others."""
        others: list[str] = self.ask(f"/openings/{source}", "-X", "DELETE")["others"]
        return others

    def test_lengths(self) -> None:
        """A network lets in all its addresses, and nobody else."""
        self.controlled(SSH)
        self.assertEqual(set(), self.inside())
        for source, expected in (
            (HALF, {CLIENT4, NEAR}),
            (NET, {CLIENT4, NEAR, FAR}),
            (NET6, {CLIENT6, NEAR6}),
            ("10.9.1.76/30", {NEAR}),
            ("10.9.1.76/31", {NEAR}),
            ("10.9.2.0/24", {STRANGER4}),
            (WIDE, {CLIENT4, NEAR, FAR, STRANGER4}),
            (WIDE6, {CLIENT6, NEAR6, FAR6, STRANGER6}),
        ):
            self.open(source)
            self.assertTrue(self.comesToBe(expected), source)
            self.close(source)
            self.assertTrue(eventually(lambda: not self.inside()), source)

    def test_apart(self) -> None:
        """A network, a wider one and an address in both end each by itself."""
        self.controlled(SSH)
        for source in (CLIENT4, HALF, NET):
            self.open(source)
        self.assertIn(HALF, self.close(CLIENT4)[0])
        self.assertEqual({CLIENT4, NEAR, FAR}, self.inside())
        self.close(NET)
        self.assertTrue(eventually(lambda: self.inside() == {CLIENT4, NEAR}))
        self.open(CLIENT4)
        self.assertIn(CLIENT4, self.close(HALF)[0])
        self.assertTrue(eventually(lambda: self.inside() == {CLIENT4}))
        status, sentence = self.refused(f"/openings/{NEAR}", "-X", "DELETE")
        self.assertEqual((404, f"nothing is open for {NEAR}"), (status, sentence))

    def test_deadline(self) -> None:
        """The kernel ends a network's opening in time, though the daemon was killed."""
        daemon = self.controlled(SSH)
        self.open(NET, seconds=4)
        self.assertEqual({CLIENT4, NEAR, FAR}, self.inside())
        daemon.stop(signal.SIGKILL)
        self.assertTrue(eventually(lambda: not self.inside()))

    def test_restart(self) -> None:
        """Networks survive a reload, the death of the daemon, a take-over, and a flush."""
        daemon = self.controlled(SSH)
        self.open(NET)
        self.open(NET6)
        expected = {CLIENT4, NEAR, FAR, CLIENT6, NEAR6}
        self.assertEqual(expected, self.inside())
        self.write(SSH, door("web", WEB_SEQUENCE, WEB))
        self.assertEqual(1, len(self.reload()))
        self.assertEqual(expected, self.inside())
        daemon.stop(signal.SIGKILL)
        self.assertEqual(expected, self.inside())
        daemon = self.again()
        self.assertIn(f"took over door ssh ({PORT}/tcp) for {NET} until", daemon.log())
        self.assertEqual({("ssh", NET), ("ssh", NET6)}, self.openings())
        self.assertTrue(eventually(lambda: self.inside() == expected))
        self.disturb(daemon, "flush ruleset")
        self.assertTrue(eventually(lambda: self.inside() == expected))
        self.close(NET)
        self.assertTrue(eventually(lambda: self.inside() == {CLIENT6, NEAR6}))
        daemon.stop()
        self.assertEqual({CLIENT6, NEAR6}, self.inside())

    def test_reshaped(self) -> None:
        """A reload that cuts another door's ports in two, or joins them, leaves a network alone."""
        web = door("web", WEB_SEQUENCE, WEB)
        wide = SSH.replace(f"[{PORT}]", f'["{PORT}", "8000-8010"]')
        split = SSH.replace(f"[{PORT}]", f'["{PORT}", "8000-8004", "8006-8010"]')
        self.controlled(wide, web)
        self.open(NET, "web")
        for ssh in (split, wide, split):
            self.write(ssh, web)
            self.assertEqual(1, len(self.reload()))
            self.assertEqual({CLIENT4, NEAR, FAR}, self.inside(WEB))

    def again(self) -> Daemon:
        """Start another daemon with the file as it is."""
        return self.controlled(SSH, door("web", WEB_SEQUENCE, WEB))

    def test_sharedPort(self) -> None:
        """Of two doors on one port, a network at one and an address at the other count apart."""
        other = door("other", (*WEB_SEQUENCE[::-1], 18011), PORT)
        self.controlled(SSH, other)
        self.open(HALF, "ssh")
        self.open(FAR, "other")
        self.assertEqual({CLIENT4, NEAR, FAR}, self.inside())
        self.close(HALF)
        self.assertTrue(eventually(lambda: self.inside() == {FAR}))

    def test_cut(self) -> None:
        """
        With C{cut}, only sessions of clients end whom no other opening lets in: by its own
        address, by another network, or by neither.
        """
        self.controlled(CUT)
        for source in (WIDE, HALF, FAR, STRANGER4):
            self.open(source, "cut")
        self.close(STRANGER4)
        sessions = {source: self.session(source) for source in (CLIENT4, FAR)}
        theirs = self.accept(self.stranger.connect(WEB))
        self.close(WIDE)
        for session in sessions.values():
            self.assertAlive(*session)
        self.assertTrue(eventually(lambda: self.isCut(theirs[0])))
        self.close(FAR)
        self.assertTrue(eventually(lambda: self.isCut(sessions[FAR][0])))
        self.assertAlive(*sessions[CLIENT4])
        self.close(HALF)
        self.assertTrue(eventually(lambda: self.isCut(sessions[CLIENT4][0])))

    def test_keep(self) -> None:
        """With C{keep}, sessions go on after the network is closed, and no new one begins."""
        daemon = self.controlled(door("web", WEB_SEQUENCE, WEB))
        self.open(NET, "web")
        session = self.session(NEAR)
        self.disturb(daemon, "flush ruleset")
        self.assertAlive(*session)
        self.close(NET)
        self.assertTrue(eventually(lambda: not self.inside(WEB)))
        self.assertAlive(*session)

    def session(self, source: str) -> tuple[socket, socket]:
        """Return both ends of a connection of the client's."""
        return self.accept(self.client.connect(WEB, source=source))

    def accept(self, session: socket) -> tuple[socket, socket]:
        """Return both ends of a new connection."""
        self.addCleanup(session.close)
        other, _ = self.listeners[WEB].accept()
        self.addCleanup(other.close)
        for end in (session, other):
            end.settimeout(PATIENCE)
        return session, other

    def assertAlive(self, session: socket, other: socket) -> None:
        """Assert that a connection carries data both ways."""
        session.sendall(b"there?")
        self.assertEqual(b"there?", other.recv(100))
        other.sendall(b"yes")
        self.assertEqual(b"yes", session.recv(100))

    def isCut(self, end: socket) -> bool:
        """Return whether a connection has ended."""
        try:
            end.sendall(b"there?")
        except OSError:
            return True
        return False

    def test_udp(self) -> None:
        """A network lets in datagrams, too, and a session that was answered goes on after it."""
        more = 'udp_grace = "0s"'
        dns = door("dns", WEB_SEQUENCE, DNS, more).replace(f"[{DNS}]", f'["{DNS}/udp"]')
        self.controlled(SSH, dns)
        server = self.bind(self.server, SERVER4, DNS)
        near, far = self.bind(self.client, NEAR), self.bind(self.client, FAR)
        for client in (near, far):
            client.sendto(b"closed", (SERVER4, DNS))
        self.open(HALF, "dns")
        near.sendto(b"open", (SERVER4, DNS))
        question, asker = server.recvfrom(100)
        self.assertEqual((b"open", NEAR), (question, asker[0]))
        server.sendto(b"yes", asker)
        self.assertEqual(b"yes", near.recv(100))
        near.sendto(b"again", (SERVER4, DNS))
        self.assertEqual(b"again", server.recv(100))
        self.close(HALF)
        far.sendto(b"stranger", (SERVER4, DNS))
        near.sendto(b"on", (SERVER4, DNS))
        self.assertEqual(b"on", server.recv(100))

    def bind(self, host: Host, address: str, port: int = 0) -> socket:
        """Return a UDP socket of a host's."""
        with host.inside():
            bound = socket(AF_INET, SOCK_DGRAM)
        self.addCleanup(bound.close)
        bound.bind((address, port))
        bound.settimeout(PATIENCE)
        return bound

    def test_once(self) -> None:
        """A network at a door for one connection: the first client in it uses the opening up."""
        self.controlled(door("ssh", more='uses = "once"'))
        self.open(NET)
        self.assertTrue(self.client.reaches(PORT, source=NEAR))
        self.assertTrue(eventually(lambda: not self.inside()))

    def test_knocks(self) -> None:
        """Plain knocks open for one address beside a network, as ever."""
        self.controlled(SSH)
        self.open("10.9.2.0/24")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertEqual({CLIENT4, STRANGER4}, self.inside())


class FirewalldNetworkTests(NetworkTests):
    """The same with firewalld before the guard."""

    firewall = "firewalld"

    def test_zones(self) -> None:
        """
        A network may be spread over several zones, also over some that come later, and firewalld
        may forget its rules.
        """
        self.firewalld.cmd("--zone=internal", f"--add-source={HALF}")
        daemon = self.controlled(SSH)
        expected = {CLIENT4, NEAR, FAR}
        self.open(NET)
        self.assertTrue(self.comesToBe(expected))
        for change in (("--zone=work", f"--add-source={FAR}"), ("--reload",)):
            self.firewalld.cmd(*change)
            self.assertTrue(self.comesToBe(expected), change)
        daemon.stop(signal.SIGKILL)
        self.controlled(SSH)
        self.assertTrue(self.comesToBe(expected))
        self.close(NET)
        self.assertTrue(self.comesToBe(set()))

        def rules() -> str:
            zones = self.firewalld.cmd("--get-zones").split()
            lists = [self.firewalld.cmd(f"--zone={zone}", "--list-rich-rules") for zone in zones]
            return "\n".join(line for text in lists for line in text.splitlines() if NET in line)

        self.assertTrue(eventually(lambda: not rules()), rules())
