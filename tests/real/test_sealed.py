"""
Tests of sealed knocks against a real daemon: only clients with a key get in, whatever others do.
"""

import random
import re
import signal
import sys
import time
from pathlib import Path

from twisted.conch.ssh.keys import Key

from pkdoors.daemon.notes.replayfile import seenPath
from pkdoors.keysources.keyfile import FRESH
from tests import ROOT
from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    SERVER4,
    SERVER6,
    STRANGER4,
    Daemon,
    Host,
    Process,
    eventually,
)
from tests.lab.sealing import makeKey, publicLine, sealed, statement

OTHER_SEQUENCE = "18001,18203,18005,18404,18002,18009"
RATE = 10_000
"""Datagrams a second of the spoofer."""


class SealedTestCase(RealTestCase):
    """A test with a key that may knock."""

    def setUp(self) -> None:
        """Make the key."""
        super().setUp()
        self.key = makeKey()
        self.keys = self.folder / "authorized_keys"
        self.keys.write_text(publicLine(self.key))

    def daemonWithKeys(self, *options: str, openFor: str = "1h") -> Daemon:
        """Start a daemon that accepts sealed knocks only."""
        return self.daemon("-k", str(self.keys), *options, openFor=openFor)

    def knock(self, host: Host, datagram: bytes, address: str = SERVER4) -> None:
        """Send a datagram to all ports, in no particular order."""
        ports = list(SEQUENCE)
        random.shuffle(ports)
        host.send(ports, datagram, address, pause=0)

    def seal(self, **fields: object) -> bytes:
        """Return a good sealed knock."""
        return sealed(self.key, SEQUENCE, **fields)

    def assertOpens(self, datagram: bytes) -> None:
        """Assert that it opens the door for the client."""
        self.knock(self.client, datagram)
        self.assertTrue(self.client.comesToReach(PORT))

    def close(self, key: Key | None = None) -> None:
        """Let the client close its opening, with the key that opened it."""
        self.knock(self.client, sealed(key or self.key, SEQUENCE, close=True))
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT), 5))


class FolderTests(SealedTestCase):
    """A folder of keys, of which each person has a file."""

    def test_folder(self) -> None:
        """A file opens as soon as it is there, and no longer when it is gone or unsafe."""
        self.keys.unlink()
        self.keys.mkdir(mode=0o700)
        anna, other = self.keys / "anna", self.keys / "other"
        other.write_text(publicLine(makeKey()))
        daemon = self.daemonWithKeys()
        self.server.serve(PORT)
        self.knock(self.client, self.seal())
        self.assertTrue(daemon.says("its key is not known here"))
        anna.write_text(publicLine(self.key))
        time.sleep(2 * FRESH)
        self.assertOpens(self.seal())
        self.close()
        anna.chmod(0o666)
        time.sleep(2 * FRESH)
        self.knock(self.client, self.seal())
        self.assertTrue(daemon.says("anna can be written by others"))
        self.assertFalse(self.client.reaches(PORT))


class LockTests(SealedTestCase):
    """Which knocks open, and for which client."""

    def setUp(self) -> None:
        """Listen behind the door."""
        super().setUp()
        self.server.serve(PORT)

    def test_opens(self) -> None:
        """A sealed knock opens for its sender, over both families, and the log names its key."""
        daemon = self.daemonWithKeys()
        self.assertOpens(self.seal())
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(daemon.says(", by anna@laptop (SHA256:"))
        self.assertFalse(self.client.reaches(PORT, SERVER6))
        self.knock(self.client, self.seal(), SERVER6)
        self.assertTrue(self.client.comesToReach(PORT, SERVER6))

    def test_plain(self) -> None:
        """A plain knock opens nothing here, and is not even logged."""
        daemon = self.daemonWithKeys()
        self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        self.assertNotIn("refused", daemon.log())

    def test_close(self) -> None:
        """A sealed knock can close the sender's own opening, at once, and no other."""
        daemon = self.daemonWithKeys()
        self.assertOpens(self.seal())
        self.knock(self.stranger, self.seal())
        self.assertTrue(self.stranger.comesToReach(PORT))
        self.close()
        self.assertTrue(self.stranger.reaches(PORT))
        self.assertEqual(daemon.log().count("closed door"), 1)

    def test_times(self) -> None:
        """The key and the door limit the time that a knock gets."""
        self.keys.write_text('max-open-for="7s" ' + publicLine(self.key))
        daemon = self.daemonWithKeys(openFor="5s")
        self.knock(self.client, self.seal(seconds=6))
        self.assertTrue(daemon.says("(6s), by anna"))
        self.knock(self.stranger, self.seal(seconds=3600))
        self.assertTrue(daemon.says("(7s), by anna"))

    def test_refusals(self) -> None:
        """Each refusal has its reason in the log, and opens nothing."""
        self.keys.write_text(
            publicLine(self.key)
            + 'doors="web" '
            + publicLine(web := makeKey(), "web@x")
            + 'from="10.9.2.0/24" '
            + publicLine(near := makeKey(), "near@x")
            + 'expiry-time="20200101" '
            + publicLine(old := makeKey(), "old@x")
        )
        daemon = self.daemonWithKeys()
        now = int(1000 * time.time())
        backwards = SEQUENCE[::-1]
        for datagram, reason in (
            (sealed(makeKey(), SEQUENCE), "its key is not known here"),
            (self.seal()[:-1] + b"?", "its seal is bad"),
            (sealed(self.key, backwards), "made by another key, or for another sequence"),
            (self.seal(door="web"), "it is for a door 'web'"),
            (sealed(web, SEQUENCE), "the key of web@x (SHA256:"),
            (sealed(near, SEQUENCE), "may not knock from here (from=)"),
            (sealed(old, SEQUENCE), "expired 2020-01-01"),
            (self.seal(bind="10.9.1.3"), "it is bound to 10.9.1.3, but comes from elsewhere"),
            (
                self.seal(stamp=now - 75_000),
                " behind this host's, at most 1m is allowed: the",
            ),
            (
                self.seal(stamp=now + 95_000),
                " ahead of this host's, at most 1m is allowed: this",
            ),
            (self.seal(stamp=now - 30_000), "it is older than this daemon"),
            (b"pkdoors1 default x y z\n".ljust(90, b"."), "its statement is malformed"),
        ):
            with self.subTest(reason):
                time.sleep(1.05)  # one line a second for each source
                self.knock(self.client, datagram)
                self.assertTrue(daemon.says(reason), daemon.log())
        self.assertFalse(self.client.reaches(PORT))
        self.assertNotIn("Traceback", daemon.log())

    def test_keysChange(self) -> None:
        """The file is read again when it changes; if others can write it, nobody gets in."""
        daemon = self.daemonWithKeys()
        other = makeKey()
        self.keys.write_text(publicLine(self.key) + "\n# new\n" + publicLine(other, "bob@desk"))
        time.sleep(2 * FRESH)  # the daemon may have looked at the file just before
        self.assertOpens(sealed(other, SEQUENCE))
        self.assertTrue(daemon.says("by bob@desk"))
        self.knock(self.client, self.seal(close=True))
        self.assertTrue(daemon.says("cannot close what bob@desk"), daemon.log())
        self.close(other)
        self.keys.chmod(0o666)
        self.knock(self.client, self.seal())
        self.assertTrue(daemon.says("can be written by others: run `chmod go-w"))
        self.assertFalse(self.client.reaches(PORT))
        self.keys.chmod(0o600)
        self.assertOpens(self.seal())

    def test_badOption(self) -> None:
        """
        A key with an unknown option is refused with file and line; the other keys are accepted.
        """
        self.keys.write_text('no-pty,colour="red" ' + publicLine(makeKey()) + publicLine(self.key))
        daemon = self.daemonWithKeys()
        self.assertTrue(
            daemon.says(f"{self.keys}, line 1: this key is refused: unknown option no-pty")
        )
        self.assertOpens(self.seal())

    def test_noKeys(self) -> None:
        """Without a usable file the door is guarded, nobody may knock, and the log says why."""
        self.keys.chmod(0o666)
        daemon = self.daemonWithKeys()
        self.assertTrue(daemon.says("can be written by others: run `chmod go-w"), daemon.log())
        self.knock(self.client, self.seal())
        self.assertFalse(self.client.reaches(PORT))


class AttackTests(SealedTestCase):
    """Attackers who record knocks, and attackers who spoof addresses."""

    def setUp(self) -> None:
        """Listen behind the door."""
        super().setUp()
        self.server.serve(PORT)

    def test_replay(self) -> None:
        """
        A recorded knock opens nothing: from elsewhere, from the same address after the door has
        closed, after a restart of the daemon, or at another server that accepts the same key.
        """
        ahead = self.seal(stamp=int(1000 * time.time()) + 50_000)  # the sender's clock is ahead
        daemon = self.daemonWithKeys()
        recorded = [self.seal(), ahead]
        for datagram in recorded:
            self.assertOpens(datagram)
            self.close()
        self.assertReplaysFail(daemon, recorded)
        daemon.stop(signal.SIGKILL)
        daemon = self.daemonWithKeys()
        self.assertReplaysFail(daemon, recorded)
        daemon.stop()
        daemon = self.daemonWithKeys("-m", OTHER_SEQUENCE)
        for datagram in [*recorded, self.seal()]:
            for host in (self.client, self.stranger):
                host.send(map(int, OTHER_SEQUENCE.split(",")), datagram)
            time.sleep(1.05)  # one line a second for each source
        self.assertTrue(daemon.says("for another sequence"))
        self.assertNotIn("opened door", daemon.log())

    def test_otherNamespace(self) -> None:
        """Nor does it open anything for the next daemon in another network namespace."""
        ahead = self.seal(stamp=int(1000 * time.time()) + 50_000)
        daemon = self.daemonWithKeys()
        self.assertOpens(ahead)
        daemon.stop(signal.SIGKILL)
        sequence = ",".join(map(str, SEQUENCE))
        options = ("-m", sequence, "-p", str(PORT), "-k", str(self.keys), "-f", "nftables")
        self.stranger.namespaces.shareFiles(self.server.namespaces)
        other = Daemon(self.stranger, *options)
        self.knock(self.server, ahead, STRANGER4)
        self.assertTrue(other.says("this knock was seen before"), other.log())
        self.knock(self.server, self.seal(), STRANGER4)
        self.assertTrue(other.says("opened door"), other.log())

    def test_lostNotes(self) -> None:
        """
        Nor does it after the notes are deleted: all seals are refused until the skew has passed,
        and one line says so; then new ones open.
        """
        skew = ("--clock-skew", "10s")
        daemon = self.daemonWithKeys(*skew)
        ahead = self.seal(stamp=int(1000 * time.time()) + 9000)
        self.assertOpens(ahead)
        self.close()
        daemon.stop()
        with self.server.inside():
            seenPath(str(self.keys)).unlink()
        daemon = self.daemonWithoutNotes(*skew)
        self.assertTrue(daemon.says("cannot be trusted (they are missing): sealed knocks are refu"))
        self.knock(self.client, ahead)
        self.assertTrue(daemon.says("the notes about earlier knocks are lost"))
        self.assertTrue(eventually(lambda: self.opensNow(daemon), 60), daemon.log())
        daemon.stop()
        daemon = self.daemonWithoutNotes(*skew)
        self.assertOpens(self.seal())
        self.assertNotIn("notes", daemon.log())

    def daemonWithoutNotes(self, *options: str) -> Daemon:
        """Start a daemon that finds no notes, or only those of another daemon."""
        self.patch(self.server, "haveNotes", lambda *options: None)
        return self.daemonWithKeys(*options)

    def opensNow(self, daemon: Daemon) -> bool:
        """Return whether a new knock opens."""
        self.knock(self.client, self.seal())
        return "opened door" in daemon.log()

    def assertReplaysFail(self, daemon: Daemon, recorded: list[bytes]) -> None:
        """Assert that sending them again opens nothing, from any host."""
        opened = daemon.log().count("opened door")
        for host in (self.client, self.stranger):
            for datagram in recorded:
                self.knock(host, datagram)
        time.sleep(0.3)
        self.assertFalse(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertEqual(daemon.log().count("opened door"), opened)

    def test_spoofer(self) -> None:
        """
        An attacker who knows the whole sequence floods it with plain knocks and bad seals, from the
        victim's address and from others; each of the victim's knocks opens the first time it is
        sent.
        """
        daemon = self.daemonWithKeys()
        spoofer = self.spoof()
        for number in range(1, 101):
            self.knock(self.client, self.seal())
            self.assertComes(daemon, "opened door", number)
            self.assertTrue(self.client.reaches(PORT))
            self.knock(self.client, self.seal(close=True))
            self.assertComes(daemon, "closed door", number)
        self.assertIsNone(spoofer.popen.poll())
        self.assertNotIn("Traceback", daemon.log())
        self.assertNotRegex(daemon.log(), r"opened door \S+ \S+ for 198\.51")

    def assertComes(self, daemon: Daemon, words: str, times: int) -> None:
        """Assert that the daemon logs something so many times, and not more often."""
        eventually(lambda: daemon.log().count(words) >= times)
        self.assertEqual(daemon.log().count(words), times)

    def spoof(self) -> Process:
        """Start an attacker on the stranger's host who sends from the client's address."""
        good = self.seal()
        stranger = makeKey()
        flipped = [
            good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(20, len(good), 7)
        ]
        junk = [b"knock\n", good[:100], good[:-1], *flipped]
        junk += [sealed(stranger, SEQUENCE) for _ in range(20)]
        junk += [statement(self.key).encode() + bytes(random.randbytes(83)) for _ in range(20)]
        (self.folder / "junk").write_text("".join(f"{datagram.hex()}\n" for datagram in junk))
        ports = ",".join(map(str, SEQUENCE))
        command = f"{sys.executable} -m tests.lab.spoofer {CLIENT4} {SERVER4} {ports} {RATE}"
        spoofer = self.stranger.spawn(
            "sh", "-c", f"exec {command} < {self.folder / 'junk'}", PYTHONPATH=str(ROOT)
        )
        self.assertTrue(spoofer.says("sending"))
        return spoofer

    def test_garbage(self) -> None:
        """
        Datagrams with every byte changed, cut off or doubled, and random ones, open and break
        nothing.
        """
        daemon = self.daemonWithKeys()
        good = self.seal()
        for at in range(len(good)):
            for bad in (
                good[:at] + bytes([good[at] ^ 0x20]) + good[at + 1 :],
                good[:at],
                good[: at + 1] + good[at:],
            ):
                self.client.send(SEQUENCE, bad, pause=0)
        for _ in range(2000):
            self.client.send(SEQUENCE[:1], b"pkdoors1 " + random.randbytes(150), pause=0)
        time.sleep(0.5)
        self.assertFalse(self.client.reaches(PORT))
        self.assertNotIn("opened", daemon.log())
        self.assertNotIn("Traceback", daemon.log())
        self.assertOpens(good)


class LineTests(SealedTestCase):
    """A line that loses, doubles and delays datagrams."""

    def test_badLine(self) -> None:
        """A sealed knock opens the first time it is sent where a plain one often does not."""
        count = 60
        daemon = self.daemonWithKeys()
        sealed = self.opened(daemon, count, "-i", str(self.privateKey()))
        daemon.stop()
        daemon = self.daemon(openFor="1h")
        plain = self.opened(daemon, count)
        self.assertGreaterEqual(sealed, count - 1)
        self.assertLess(plain, sealed)

    def test_knocksAgain(self) -> None:
        """However bad the line is, with C{--wait} it knocks again, and opens at last."""
        ports = ", ".join(map(str, SEQUENCE))
        self.server.run(
            "nft",
            "table inet line { chain c { type filter hook prerouting priority raw; "
            f"udp dport {{ {ports} }} numgen random mod 100 < 50 drop; }}; }}",
        )
        self.server.serve(PORT)
        self.daemonWithKeys(openFor="1s")
        opened = ("nft", "list", "set", "inet", "pkdoors", "tcp_open4")
        knock = (str(BIN / "pkdoors"), "knock", SERVER4, "-m", ports.replace(" ", ""))
        sealed = ("-i", str(self.privateKey()))
        waiting = ("--wait", str(PORT), "--timeout", "300ms", "--tries", "50")
        for _ in range(4):
            status, output = self.client.status(*knock, *sealed, *waiting)
            self.assertEqual(0, status, output)
            self.assertTrue(eventually(lambda: CLIENT4 not in self.server.run(*opened)))

    def privateKey(self) -> Path:
        """Write the key as ssh-keygen would."""
        path = self.folder / "id"
        path.write_bytes(self.key.toString("openssh", subtype="v1"))
        path.chmod(0o600)
        return path

    def opened(self, daemon: Daemon, count: int, *options: str) -> int:
        """Return how many of so many knocks open, or move the deadline."""
        ports = ",".join(map(str, SEQUENCE))
        python = (sys.executable, "-m")
        relay = self.client.spawn(
            *python, "tests.lab.badline", SERVER4, ports, "20261123", PYTHONPATH=str(ROOT)
        )
        self.assertTrue(relay.says("relaying"), relay.log())
        program = (*python, "tests.lab.knocks", str(count), "0.15")
        arguments = ("127.0.0.1", "-m", ports, *options)
        knocks = self.client.spawn(*program, *arguments, PYTHONPATH=str(ROOT))
        self.assertEqual(knocks.popen.wait(120), 0, knocks.log())
        relay.stop()
        return len(re.findall("(?:opened|extended) door", daemon.log()))


class CapturedLockTests(LockTests):
    """The same locks, if no port has a socket."""

    listen = "capture"


class CapturedAttackTests(AttackTests):
    """The same attacks."""

    listen = "capture"


class CapturedLineTests(LineTests):
    """Bad lines, with knocks that are captured."""

    listen = "capture"
