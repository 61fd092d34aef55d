"""Doors, as people on other hosts find them: the same with every firewall."""

import signal
import time
from socket import socket

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, CLIENT4, PATIENCE, SERVER6, Daemon, eventually


class DoorTests(RealTestCase):
    """Doors on the kernel's nftables."""

    def test_opensForTheKnockerOnly(self) -> None:
        """The port is closed to all, and after the knock open to the knocker and nobody else."""
        self.start()
        self.assertFalse(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_anotherAddressOfTheSameHost(self) -> None:
        """It is the address that gets in, not the host: another one of the knocker's does not."""
        other = "10.9.1.77"
        self.client.run("ip", "address", "add", f"{other}/24", "dev", "server")
        self.start()
        self.client.send(SEQUENCE, source=CLIENT4)
        self.assertTrue(self.client.comesToReach(PORT, source=CLIENT4))
        self.assertFalse(self.client.reaches(PORT, source=other))

    def test_ipv6(self) -> None:
        """A knock over IPv6 opens for that IPv6 address, and not for the IPv4 one."""
        self.start()
        self.assertFalse(self.client.reaches(PORT, SERVER6))
        self.client.send(SEQUENCE, address=SERVER6)
        self.assertTrue(self.client.comesToReach(PORT, SERVER6))
        self.assertFalse(self.stranger.reaches(PORT, SERVER6))
        self.assertFalse(self.client.reaches(PORT))

    def test_closesAtTheDeadline(self) -> None:
        """The port answers until the time is over, and then no more."""
        daemon = self.start(openFor="5s")
        began = time.monotonic()
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        self.assertGreater(time.monotonic() - began, 4.9)
        self.assertTrue(daemon.says(f"closed door default ({PORT}/tcp) for {CLIENT4}"))

    def test_sessionSurvives(self) -> None:
        """A connection that was made while the door was open works after it has closed."""
        server = self.server.serve(2223)
        daemon = self.start(ports=f"{PORT},2223", openFor="5s")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        session, other = self.session(server)
        self.assertTrue(daemon.says("closed door"), daemon.log())
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        session.sendall(b"still there?")
        self.assertEqual(other.recv(100), b"still there?")
        other.sendall(b"yes")
        self.assertEqual(session.recv(100), b"yes")

    def test_sessionIsCut(self) -> None:
        """With C{--sessions cut} such a connection ends with the opening, and both ends see it."""
        server = self.server.serve(2223)
        ports = f"{PORT},2223"
        daemon = self.start("--sessions", "cut", ports=ports, openFor="5s")
        self.assertIn("sessions end with it", daemon.log())
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        session, other = self.session(server)
        session.sendall(b"hello")
        self.assertEqual(other.recv(100), b"hello")
        self.assertTrue(daemon.says("closed door"), daemon.log())
        self.assertComesToBeCut(session)
        self.assertComesToBeCut(other)

    def test_cutThoughTheDaemonIsKilled(self) -> None:
        """So it does though the daemon was killed, and though another took over."""
        server = self.server.serve(2223)
        self.server.serve(PORT)

        def start() -> Daemon:
            return self.daemon("--sessions", "cut", ports=f"{PORT},2223", openFor=openFor)

        for again in (False, True):
            # Another takes over only what is still open when it has started, with firewalld, too.
            openFor = "20s" if again else "5s"
            with self.subTest(again):
                daemon = start()
                self.client.send(SEQUENCE)
                self.assertTrue(self.client.comesToReach(PORT))
                session, _ = self.session(server)
                daemon.stop(signal.SIGKILL)
                if again:
                    daemon = start()
                    self.assertTrue(daemon.says("closed door"), daemon.log())
                self.assertComesToBeCut(session)
                daemon.stop()

    def test_notCutBeforeTheStart(self) -> None:
        """Who was connected before there was a guard did not have to knock, and stays."""
        if self.firewall == "firewalld":
            self.firewalld.cmd("--add-port=2223/tcp")
        server = self.server.serve(2223)
        session, other = self.session(server)
        for _ in range(2):
            daemon = self.daemon("--sessions", "cut", ports=f"{PORT},2223")
            self.assertFalse(self.client.reaches(2223))
            session.sendall(b"still there?")
            self.assertEqual(other.recv(100), b"still there?")
            daemon.stop()

    def session(self, server: socket) -> tuple[socket, socket]:
        """A connection of the client's, both ends."""
        session = self.client.connect(2223)
        self.addCleanup(session.close)
        other, _ = server.accept()
        self.addCleanup(other.close)
        other.settimeout(PATIENCE)
        return session, other

    def assertComesToBeCut(self, end: socket) -> None:
        """Assert that a connection ends, as its end learns when it sends something."""

        def isCut() -> bool:
            try:
                end.sendall(b"still there?")
            except OSError:
                return True
            return False

        self.assertTrue(eventually(isCut))

    def test_wrongOrder(self) -> None:
        """The same ports in another order open nothing, and the log tells why."""
        daemon = self.start()
        wrong = (SEQUENCE[0], SEQUENCE[2], SEQUENCE[1], *SEQUENCE[3:])
        self.client.send(wrong)
        self.assertTrue(daemon.says(f"refused door default ({PORT}/tcp) for {CLIENT4}: wrong port"))
        self.assertFalse(self.client.reaches(PORT))

    def test_wrongPayload(self) -> None:
        """Datagrams that do not say knock open nothing."""
        self.start()
        for payload in (
            b"",
            b"knoc",
            b"knocks\n",
            b"knock\n\nknock\n",
            b"KNOCK\n",
            b"knock -1\n",
            bytes(1400),
        ):
            self.client.send(SEQUENCE, payload)
        self.assertFalse(self.client.reaches(PORT))

    def test_penalty(self) -> None:
        """After a wrong knock the source is ignored for a while, however often it knocks then."""
        self.start("--penalty", "4s")
        self.client.send((SEQUENCE[0], SEQUENCE[3]))
        wrong = time.monotonic()
        while time.monotonic() < wrong + 1.5:
            self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        time.sleep(max(0.0, wrong + 5.3 - time.monotonic()))  # it is up to a quarter longer
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))

    def test_twoKnockers(self) -> None:
        """Two who knock at the same time do not disturb each other."""
        self.start()
        for port in SEQUENCE:
            self.client.send([port])
            self.stranger.send([port])
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_extension(self) -> None:
        """Who knocks again while the door is open has it for longer: once, without a gap."""
        daemon = self.start(openFor="8s")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        time.sleep(2)
        began = time.monotonic()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("extended door"))
        while time.monotonic() < began + 6.5:
            self.assertTrue(self.client.reaches(PORT))
            time.sleep(0.05)  # or the connections fill the backlog
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        self.assertEqual(daemon.log().count("opened door"), 1)
        self.assertEqual(daemon.log().count("extended door"), 1)

    def test_asksForATime(self) -> None:
        """A knock gets the time it asks for, but not more than the door allows."""
        daemon = self.start("--max-open-for", "5s", openFor="1s")
        self.client.send(SEQUENCE, b"knock 3\n")
        self.assertTrue(daemon.says(f"opened door default ({PORT}/tcp) for {CLIENT4} until "))
        self.assertIn("(3s)", daemon.log())
        self.stranger.send(SEQUENCE, b"knock 999999999\n")
        self.assertTrue(daemon.says("(5s)"))

    def test_repeatedPort(self) -> None:
        """A sequence may have a port twice."""
        sequence = (17001, 17002, 17001, 17003, 17003, 17004)
        self.start("--magic-seq", ",".join(map(str, sequence)))
        self.client.send(sequence)
        self.assertTrue(self.client.comesToReach(PORT))

    def test_clientWaits(self) -> None:
        """C{pkdoors knock --wait} says when the port is open, with status 0, over both families."""
        self.start()
        for address in ("10.9.1.1", SERVER6):
            status, output = self.client.status(
                str(BIN / "pkdoors"), "knock", address, "-m", KNOCKS, "--wait", str(PORT)
            )
            self.assertEqual(status, 0, output)
            self.assertIn(f"{PORT}/tcp of {address} opened", output)

    def test_otherPortsStayAsTheyWere(self) -> None:
        """A port that no door protects is no other after the start, or for the knocker."""
        self.server.serve(2300)
        before = self.client.reaches(2300)
        self.start()
        self.assertEqual(self.client.reaches(2300), before)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertEqual(self.client.reaches(2300), before)


class FirewalldDoorTests(DoorTests):
    """The same doors on firewalld."""

    firewall = "firewalld"


class CapturedDoorTests(DoorTests):
    """The same doors, if no port has a socket."""

    listen = "capture"


class CapturedFirewalldDoorTests(FirewalldDoorTests):
    """The same doors on firewalld, which has no rule for knocks then."""

    listen = "capture"
