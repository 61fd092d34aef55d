"""Tests of C{pkdoors connect}, with programs and files at its ends, and with ssh through it."""

import hashlib
import os
import pty
import select
import signal
import socket
import struct
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

from pkdoors.client.core.attempt import LOOK, Attempt
from pkdoors.client.core.methods import PlainMethod
from pkdoors.client.network import findRoundTrip, suitPath
from pkdoors.model.sequence import Sequence
from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase, SshTestCase
from tests.lab.hosts import BIN, PATIENCE, SERVER4, SERVER6, eventually, heedSignals

PKDOORS = str(BIN / "pkdoors")

MEGABYTE = 1 << 20

BOUND = 64 * MEGABYTE
"""Far more bytes than the kernel's buffers on the way hold: two sockets' and two pipes'."""


class ConnectTestCase(RealTestCase):
    """A test that listens on the protected port itself, to accept and to answer."""

    def setUp(self) -> None:
        """Listen."""
        super().setUp()
        self.listening = self.server.serve(PORT)
        self.listening.settimeout(PATIENCE)

    def connect(
        self, *options: str, to: str = SERVER4, port: int = PORT, **streams: Any
    ) -> subprocess.Popen[bytes]:
        """Start it on the client, by default with pipes."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [PKDOORS, "connect", to, str(port), "-m", KNOCKS, *options]
        with self.client.inside():
            process = subprocess.Popen(
                command, bufsize=0, preexec_fn=heedSignals, **{**pipes, **streams}
            )
        self.addCleanup(self._end, process)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            stream.close()

    def accept(self) -> socket.socket:
        """Return the server's end of the connection."""
        peer, _ = self.listening.accept()
        self.addCleanup(peer.close)
        peer.settimeout(PATIENCE)
        return peer

    def assertEnds(self, process: subprocess.Popen[bytes], status: int = 0, said: str = "") -> None:
        """
        Assert that it ends with this status, and has said one line with these words, or nothing at
        all.
        """
        self.assertEqual(status, process.wait(PATIENCE))
        assert process.stderr is not None
        stderr = process.stderr.read().decode()
        self.assertEqual(1 if said else 0, stderr.count("\n"), stderr)
        self.assertIn(said, stderr)


class KnockFirstTests(ConnectTestCase):
    """When it knocks, and when it does not."""

    def test_closed(self) -> None:
        """It knocks on a closed door, connects, and says nothing."""
        daemon = self.daemon()
        self.assertFalse(self.client.reaches(PORT))
        process = self.connect()
        peer = self.accept()
        assert process.stdin and process.stdout
        process.stdin.write(b"ping")
        self.assertEqual(b"ping", peer.recv(100))
        peer.send(b"pong")
        self.assertEqual(b"pong", process.stdout.read(100))
        self.assertTrue(daemon.says("opened door"))
        process.stdin.close()
        peer.close()
        self.assertEnds(process)

    def test_open(self) -> None:
        """It does not knock on an open door."""
        daemon = self.daemon("--log-knocks")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        before = daemon.log().count("datagram from")
        self.assertGreater(before, 0, "the daemon would show a knock")
        self.assertEnds(self.connectedAndClosed())
        self.assertEqual(before, daemon.log().count("datagram from"))

    def test_once(self) -> None:
        """It connects once: its look at the port is already the connection."""
        self.assertEnds(self.connectedAndClosed())
        self.listening.settimeout(0.5)
        self.assertRaises(TimeoutError, self.listening.accept)

    def connectedAndClosed(self) -> subprocess.Popen[bytes]:
        """A connection on which nothing is sent, either way."""
        process = self.connect(stdin=subprocess.DEVNULL)
        self.accept().close()
        return process

    def test_ipv6(self) -> None:
        """It goes over IPv6, too."""
        self.daemon()
        process = self.connect(to=SERVER6, stdin=subprocess.DEVNULL)
        self.assertEqual(b"", self.accept().recv(1))
        self.listening.close()
        process.kill()

    def test_notOpen(self) -> None:
        """
        A door that does not open is one sentence and status 1, with nothing on standard output.
        """
        self.daemon()
        process = self.connect("-m", "1,2,3,4,5", "--tries", "1", "--timeout", "300ms")
        self.assertEnds(process, 1, f"{PORT}/tcp of {SERVER4} did not answer within 300ms")
        assert process.stdout
        self.assertEqual(b"", process.stdout.read())

    def test_refused(self) -> None:
        """So is a door with nothing behind it."""
        process = self.connect("--tries", "1", "--timeout", "300ms", port=2300)
        self.assertEnds(process, 1, "nothing listens on that port")

    def test_secondKnock(self) -> None:
        """It knocks again if the first knock was lost, and says so."""
        self.daemon("--penalty", "100ms")
        self.server.run(
            "nft",
            "table inet loss { chain c { type filter hook prerouting priority -400; "
            "udp dport 17404 numgen inc mod 1000 < 1 drop; }; }",
        )
        process = self.connect("--timeout", "500ms", stdin=subprocess.DEVNULL)
        self.accept().close()
        self.assertEnds(process, 0, "knocking again")


class RoundTripTests(ConnectTestCase):
    """How long it waits before it knocks."""

    def test_kernel(self) -> None:
        """Linux knows the round trip to a host after some connections, and tells everybody."""
        with self.client.inside():
            self.assertIsNone(findRoundTrip(SERVER4))
        for address in (SERVER4, SERVER6):
            self.talk(address)
            with self.client.inside():
                found = eventually(partial(findRoundTrip, address))
            self.assertLess(found.most, 1, "over a veth")

    def talk(self, address: str) -> None:
        """Have a short conversation with the server."""
        with self.client.connect(PORT, address) as client, self.accept() as server:
            for _ in range(10):
                client.send(b"?")
                server.recv(9)
                server.send(b"!")
                client.recv(9)

    def test_known(self) -> None:
        """The time for an answer suits the path: here it is short."""
        attempt = Attempt(SERVER4, PlainMethod(Sequence(SEQUENCE), 0, 0), port=PORT)
        with self.client.inside():
            self.assertEqual(LOOK, suitPath(attempt, [SERVER4]).look)
        self.talk(SERVER4)
        with self.client.inside():
            look = eventually(lambda: suitPath(attempt, [SERVER4, SERVER6]).look != LOOK)
            self.assertTrue(look)


class RaceTests(ConnectTestCase):
    """Which connection is used, and that there is no other one."""

    def test_penalty(self) -> None:
        """If sshd refuses this address, one line says why; the bytes stay as they are."""
        process = self.connect(stdin=subprocess.DEVNULL)
        peer = self.accept()
        words = b"Not allowed at this time\r\n"
        peer.sendall(words)
        peer.close()
        assert process.stdout
        self.assertEqual(words, process.stdout.read())
        self.assertEnds(process, 0, "PerSourcePenalties")

    def test_manyAddresses(self) -> None:
        """Of eight addresses, seven of which are dead, the one that answers is used, once."""
        self.daemon()
        dead = [SERVER4.rpartition(".")[0] + f".{last}" for last in range(71, 78)]
        name = "many.test"
        hosts = self.folder / "hosts"
        hosts.write_text("".join(f"{each} {name}\n" for each in (*dead, SERVER4)))
        script = (
            f"mount --bind {hosts} /etc/hosts && "
            f"exec {PKDOORS} connect {name} {PORT} -m {KNOCKS} --interval 1ms"
        )
        process = self.client.spawn("unshare", "--mount", "sh", "-c", script)
        peer = self.accept()
        self.listening.settimeout(1.5)
        self.assertRaises(TimeoutError, self.listening.accept)
        self.assertIsNone(process.popen.poll())
        peer.close()

    def test_deadFamily(self) -> None:
        """If one family is a black hole, the other one is used, once."""
        self.daemon()
        self.server.run(
            "nft",
            "table inet hole { chain c { type filter hook prerouting priority -500; "
            "meta nfproto ipv6 drop; }; }",
        )
        name = "both.test"
        hosts = self.folder / "hosts"
        hosts.write_text(f"{SERVER6} {name}\n{SERVER4} {name}\n")
        script = (
            f"mount --bind {hosts} /etc/hosts && exec {PKDOORS} connect {name} {PORT} -m {KNOCKS}"
        )
        self.client.spawn("unshare", "--mount", "sh", "-c", script)
        peer = self.accept()
        self.assertNotIn(SERVER6[:4], peer.getpeername()[0])
        self.listening.settimeout(1.5)
        self.assertRaises(TimeoutError, self.listening.accept)

    def test_onceDoor(self) -> None:
        """A door for one connection opens once, and that connection is the one that is used."""
        daemon = self.daemon("--uses", "once", "--log-knocks")
        process = self.connect()
        peer = self.accept()
        assert process.stdin and process.stdout
        process.stdin.write(b"ping")
        self.assertEqual(b"ping", peer.recv(100))
        peer.send(b"pong")
        self.assertEqual(b"pong", process.stdout.read(100))
        self.listening.settimeout(1.5)
        self.assertRaises(TimeoutError, self.listening.accept)
        self.assertEqual(1, daemon.log().count("opened door"), daemon.log())
        process.stdin.close()
        peer.close()
        self.assertEnds(process)

    def test_noAddress(self) -> None:
        """A name without an address is one sentence."""
        process = self.connect(to="nowhere.invalid")
        self.assertEnds(process, 1, "no address found for 'nowhere.invalid'")

    def test_opensMeanwhile(self) -> None:
        """A port that opens while the client knocks is connected to once."""
        self.daemon()
        process = self.connect("--interval", "300ms", stdin=subprocess.DEVNULL)
        self.client.send(SEQUENCE)
        self.accept().close()
        self.listening.settimeout(2.5)
        self.assertRaises(TimeoutError, self.listening.accept)
        self.assertEnds(process)


class EndsTests(ConnectTestCase):
    """What can be at its ends, and how they end."""

    def test_inputEnds(self) -> None:
        """The end of the input reaches the server, which can still answer."""
        process = self.connect()
        peer = self.accept()
        assert process.stdin and process.stdout
        process.stdin.write(b"question")
        process.stdin.close()
        self.assertEqual(b"question", readAll(peer))
        self.assertIsNone(process.poll())
        peer.send(b"answer")
        peer.close()
        self.assertEqual(b"answer", process.stdout.read())
        self.assertEnds(process)

    def test_serverEnds(self) -> None:
        """The server's end ends the output, and further input still reaches the server."""
        process = self.connect()
        peer = self.accept()
        assert process.stdin and process.stdout
        peer.send(b"all I have")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(b"all I have", process.stdout.readall())  # type: ignore[attr-defined]
        self.assertIsNone(process.poll())
        process.stdin.write(b"still here")
        process.stdin.close()
        self.assertEqual(b"still here", readAll(peer))
        self.assertEnds(process)

    def test_files(self) -> None:
        """Input and output can be files."""
        here, there = self.folder / "here", self.folder / "there"
        here.write_bytes(content := os.urandom(3 * MEGABYTE))
        with here.open("rb") as stdin, there.open("wb") as stdout:
            process = self.connect(stdin=stdin, stdout=stdout)
        peer = self.accept()
        self.assertEqual(content, readAll(peer))
        peer.sendall(content)
        peer.close()
        self.assertEnds(process)
        self.assertEqual(content, there.read_bytes())

    def test_nowhere(self) -> None:
        """C{/dev/null} has nothing to send, and accepts everything."""
        process = self.connect(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        peer = self.accept()
        self.assertEqual(b"", readAll(peer))
        peer.sendall(bytes(MEGABYTE))
        peer.close()
        self.assertEnds(process)

    def test_socket(self) -> None:
        """One socket can be both, and each half is closed separately."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        with theirs:
            process = self.connect(stdin=theirs, stdout=theirs)
        peer = self.accept()
        ours.settimeout(PATIENCE)
        peer.send(b"answer")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(b"answer", readAll(ours))
        ours.send(b"question")
        ours.shutdown(socket.SHUT_WR)
        self.assertEqual(b"question", readAll(peer))
        self.assertEnds(process)

    def test_nonBlocking(self) -> None:
        """It waits for a socket that was set not to block."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        with theirs:
            theirs.setblocking(False)
            process = self.connect(stdin=theirs, stdout=theirs)
        peer = self.accept()
        peer.settimeout(None)
        content = os.urandom(8 * MEGABYTE)
        peer.setblocking(False)
        self.assertEqual((content, content), exchange(ours, peer, content))
        self.assertEnds(process)

    def test_terminal(self) -> None:
        """A terminal can be both; it stays as it was."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = self.connect(stdin=theirs, stdout=theirs)
        peer = self.accept()
        os.write(ours, b"hello\n")
        self.assertEqual(b"hello\n", peer.recv(100))
        self.assertTrue(os.get_blocking(theirs))
        os.close(theirs)
        os.write(ours, b"\x04")  # Ctrl-D
        self.assertEqual(b"", peer.recv(100))
        peer.send(b"bye\n")
        peer.close()
        self.assertEnds(process)
        self.assertIn(b"bye", os.read(ours, 100))

    def test_closed(self) -> None:
        """Closed input and output are the same as C{/dev/null}."""
        command = f'exec "$0" connect {SERVER4} {PORT} -m {KNOCKS} <&- >&-'
        process = self.client.spawn("sh", "-c", command, PKDOORS)
        peer = self.accept()
        self.assertEqual(b"", readAll(peer))
        peer.send(b"for nobody")
        peer.close()
        self.assertEqual(0, process.popen.wait(PATIENCE), process.log())
        self.assertEqual("", process.log())

    def test_unreadable(self) -> None:
        """Input that cannot be read is one sentence."""
        with open(os.devnull, "wb") as stdin:
            process = self.connect(stdin=stdin)
        self.accept().close()
        self.assertEnds(process, 1, "cannot read standard input: Bad file descriptor")

    def test_full(self) -> None:
        """So is output that cannot be written."""
        with open("/dev/full", "wb") as full:
            process = self.connect(stdout=full)
        self.accept().send(b"x")
        self.assertEnds(process, 1, "cannot write standard output: No space left on device")

    def test_nobodyReads(self) -> None:
        """When nobody reads the output any more, it ends silently."""
        process = self.connect()
        peer = self.accept()
        assert process.stdout
        process.stdout.close()
        peer.send(b"anybody?")
        self.assertEnds(process)

    def test_reset(self) -> None:
        """A broken connection is one sentence, even if the input has not ended."""
        process = self.connect()
        peer = self.accept()
        peer.send(b"x")
        assert process.stdout
        process.stdout.read(1)  # otherwise it would seem to be a port that is not open yet
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        self.assertEnds(process, 1, "the connection was lost: Connection reset by peer")

    def test_signals(self) -> None:
        """A signal ends it without a traceback."""
        for end in (signal.SIGINT, signal.SIGTERM):
            process = self.connect()
            peer = self.accept()
            peer.send(b"x")
            assert process.stdout
            process.stdout.read(1)
            process.send_signal(end)
            self.assertEnds(process, -end)


class BackpressureTests(ConnectTestCase):
    """A slow end makes the other one wait."""

    def test_slowServer(self) -> None:
        """Input that the server does not accept yet is not read, and arrives later."""
        process = self.connect()
        peer = self.accept()
        assert process.stdin
        os.set_blocking(process.stdin.fileno(), False)
        sent = fill(process.stdin.fileno())
        process.stdin.close()
        self.assertLess(sent, BOUND)
        self.assertEqual(sent, len(readAll(peer)))

    def test_slowOutput(self) -> None:
        """Output that nobody reads is not read from the server."""
        process = self.connect()
        peer = self.accept()
        peer.setblocking(False)
        sent = fill(peer.fileno())
        peer.close()
        self.assertLess(sent, BOUND)
        assert process.stdout
        self.assertEqual(sent, len(process.stdout.readall()))  # type: ignore[attr-defined]


class PenaltyTests(SshTestCase):
    """An sshd that refuses an address for a while, as those of OpenSSH 9.8 and later do."""

    penalties = "noauth:60s min:1s"

    def test_explained(self) -> None:
        """C{knock --wait} and C{connect} say why."""
        if not self.canPenalize():
            raise SkipTest("this sshd has no PerSourcePenalties")
        self.sshd()
        self.daemon(ports="22")
        knock = (PKDOORS, "knock", SERVER4, "-m", KNOCKS, "--wait", "22")

        def isPenalized() -> bool:
            return "PerSourcePenalties" in self.client.status(*knock)[1]

        self.assertTrue(eventually(isPenalized))
        proxy = f"ProxyCommand={PKDOORS} connect %h %p -m {KNOCKS}"
        status, output = self.client.status(
            "ssh", "-o", proxy, *self.sshOptions(), f"root@{SERVER4}", "true"
        )
        self.assertEqual(255, status)
        self.assertIn("PerSourcePenalties", output)


class ThroughSshTests(SshTestCase):
    """ssh, and programs that run over it, through a closed door."""

    def setUp(self) -> None:
        """Make a host C{door} with a closed door, and a folder to copy from."""
        super().setUp()
        self.sshd()
        self.opened = self.daemon(ports="22")
        proxy = f"ProxyCommand={PKDOORS} connect %h %p -m {KNOCKS}"
        self.options = ("-o", proxy, *self.sshOptions())
        self.shell = " ".join(["ssh", *(f"'{option}'" for option in self.options)])
        self.big = self.folder / "big"
        self.big.write_bytes(os.urandom(50 * MEGABYTE))
        self.copy = self.folder / "copy"

    def test_ssh(self) -> None:
        """ssh opens the door itself; status and output are the command's."""
        self.assertTrue(self.isShut())
        status, output = self.client.status(
            "ssh", *self.options, f"root@{SERVER4}", "echo x; exit 7"
        )
        self.assertEqual((7, "x"), (status, output.splitlines()[-1]))
        self.assertIn("opened door", self.opened.log())

    def test_scp(self) -> None:
        """A file arrives unchanged, either way."""
        self.client.run("scp", *self.options, str(self.big), f"root@{SERVER4}:{self.copy}")
        self.assertEqual(digest(self.big), digest(self.copy))
        self.copy.unlink()
        self.client.run("scp", *self.options, f"root@{SERVER4}:{self.big}", str(self.copy))
        self.assertEqual(digest(self.big), digest(self.copy))

    def test_sftp(self) -> None:
        """A file arrives by sftp."""
        batch = self.folder / "batch"
        batch.write_text(f"put {self.big} {self.copy}\n")
        self.client.run("sftp", *self.options, "-b", str(batch), f"root@{SERVER4}")
        self.assertEqual(digest(self.big), digest(self.copy))

    def test_rsync(self) -> None:
        """A file arrives by rsync."""
        target = f"root@{SERVER4}:{self.copy}"
        self.client.run("rsync", "-e", self.shell, str(self.big), target)
        self.assertEqual(digest(self.big), digest(self.copy))

    def test_git(self) -> None:
        """git clones through it."""
        git = ("git", "-C", str(self.folder))
        self.server.run(*git, "init", "-q", "origin")
        self.server.run(*git, "-C", "origin", "add", str(self.link()))
        who = ("-c", "user.name=x", "-c", "user.email=x@x.example")
        self.server.run(*git, "-C", "origin", *who, "commit", "-q", "-m", "big")
        overSsh = ("-c", f"core.sshCommand={self.shell}")
        origin = f"root@{SERVER4}:{self.folder}/origin"
        self.client.run(*git, *overSsh, "clone", "-q", origin, "clone")
        self.assertEqual(digest(self.big), digest(self.folder / "clone" / "big"))

    def link(self) -> Path:
        """Return the big file in the repository."""
        path = self.folder / "origin" / "big"
        path.hardlink_to(self.big)
        return path


def digest(path: Path) -> str:
    """Return the checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def readAll(stream: socket.socket) -> bytes:
    """Return everything that arrives, to its end."""
    return b"".join(iter(lambda: stream.recv(MEGABYTE), b""))


def fill(descriptor: int) -> int:
    """
    Write until nothing is accepted for a while, or too much has been; return the bytes written.
    """
    sent, block = 0, bytes(MEGABYTE)
    while sent < BOUND and select.select([], [descriptor], [], 1)[1]:
        sent += os.write(descriptor, block)
    return sent


def exchange(one: socket.socket, other: socket.socket, content: bytes) -> tuple[bytes, bytes]:
    """Send the same both ways at once; return what arrived at either end."""
    left = {one: memoryview(content), other: memoryview(content)}
    came = {one: bytearray(), other: bytearray()}
    for end in left:
        end.setblocking(False)
    reading = {one, other}
    while reading:
        readable, writable, _ = select.select(list(reading), list(left), [], PATIENCE)
        assert readable or writable, "nothing moves"
        for end in readable:
            part = end.recv(MEGABYTE)
            came[end] += part
            reading -= {end} if not part else set()
        for end in writable:
            left[end] = left[end][end.send(left[end]) :]
            if not left[end]:
                end.shutdown(socket.SHUT_WR)
                del left[end]
    return bytes(came[one]), bytes(came[other])
