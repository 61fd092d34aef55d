"""Sealed knocks against a real daemon: who has a key opens, whatever others do."""

import random
import re
import signal
import sys
import time
from pathlib import Path

from twisted.conch.ssh.keys import Key

from pkdoors.config.keyfile import FRESH
from pkdoors.daemon.replayfile import seenPath
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
    """With a key that may knock."""

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.key = makeKey()
        self.keys = self.folder / "authorized_keys"
        self.keys.write_text(publicLine(self.key))

    def daemonWithKeys(self, *options: str, openFor: str = "1h") -> Daemon:
        """A daemon that wants sealed knocks."""
        return self.daemon("-k", str(self.keys), *options, openFor=openFor)

    def knock(self, host: Host, datagram: bytes, address: str = SERVER4) -> None:
        """Send it to all ports, in no order."""
        ports = list(SEQUENCE)
        random.shuffle(ports)
        host.send(ports, datagram, address, pause=0)

    def seal(self, **fields: object) -> bytes:
        """A good sealed knock."""
        return sealed(self.key, SEQUENCE, **fields)

    def assertOpens(self, datagram: bytes) -> None:
        """It opens the door for the client."""
        self.knock(self.client, datagram)
        self.assertTrue(self.client.comesToReach(PORT))

    def close(self, key: Key | None = None) -> None:
        """Have the client close its opening, with the key that it was opened with."""
        self.knock(self.client, sealed(key or self.key, SEQUENCE, close=True))
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT), 5))


class LockTests(SealedTestCase):
    """What opens, and for whom."""

    def setUp(self) -> None:
        """Have something behind the door."""
        super().setUp()
        self.server.serve(PORT)

    def test_opens(self) -> None:
        """A sealed knock opens for its sender, over both families, and names who it was."""
        daemon = self.daemonWithKeys()
        self.assertOpens(self.seal())
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(daemon.says(", by anna@laptop (SHA256:"))
        self.assertFalse(self.client.reaches(PORT, SERVER6))
        self.knock(self.client, self.seal(), SERVER6)
        self.assertTrue(self.client.comesToReach(PORT, SERVER6))

    def test_plain(self) -> None:
        """A plain knock opens nothing here, and is not even told of."""
        daemon = self.daemonWithKeys()
        self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        self.assertNotIn("refused", daemon.log())

    def test_close(self) -> None:
        """A sealed knock can close the sender's own opening, at once, and nobody else's."""
        daemon = self.daemonWithKeys()
        self.assertOpens(self.seal())
        self.knock(self.stranger, self.seal())
        self.assertTrue(self.stranger.comesToReach(PORT))
        self.close()
        self.assertTrue(self.stranger.reaches(PORT))
        self.assertEqual(daemon.log().count("closed door"), 1)

    def test_times(self) -> None:
        """The time asked for is capped by the key, and by the door."""
        self.keys.write_text('max-open="7s" ' + publicLine(self.key))
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
            (self.seal()[:-1] + b"?", "its seal is not good"),
            (sealed(self.key, backwards), "made by another key, or for another sequence"),
            (self.seal(door="web"), "it is for a door 'web'"),
            (sealed(web, SEQUENCE), "the key of web@x (SHA256:"),
            (sealed(near, SEQUENCE), "may not knock from here (from=)"),
            (sealed(old, SEQUENCE), "expired 2020-01-01"),
            (self.seal(bind="10.9.1.3"), "it is bound to 10.9.1.3, and comes from elsewhere"),
            (self.seal(stamp=now - 75_000), "s behind this host's, 60 s are allowed: the knocker"),
            (self.seal(stamp=now + 95_000), "s ahead of this host's, 60 s are allowed: this host"),
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
        """The file is read again when it changes; one that others can write lets nobody in."""
        daemon = self.daemonWithKeys()
        other = makeKey()
        self.keys.write_text(publicLine(self.key) + "\n# new\n" + publicLine(other, "bob@desk"))
        time.sleep(2 * FRESH)  # the daemon may have looked at it just before
        self.assertOpens(sealed(other, SEQUENCE))
        self.assertTrue(daemon.says("by bob@desk"))
        self.knock(self.client, self.seal(close=True))
        self.assertTrue(daemon.says("cannot close what bob@desk"), daemon.log())
        self.close(other)
        self.keys.chmod(0o666)
        self.knock(self.client, self.seal())
        self.assertTrue(daemon.says("can be written by others: `chmod go-w"))
        self.assertFalse(self.client.reaches(PORT))
        self.keys.chmod(0o600)
        self.assertOpens(self.seal())

    def test_badOption(self) -> None:
        """A key with an unknown option is refused with file and line, the others are taken."""
        self.keys.write_text('no-pty,colour="red" ' + publicLine(makeKey()) + publicLine(self.key))
        daemon = self.daemonWithKeys()
        self.assertTrue(daemon.says(f"{self.keys}, line 1: this key is refused: the option no-pty"))
        self.assertOpens(self.seal())

    def test_noKeys(self) -> None:
        """Without a usable file the door is guarded, nobody may knock, and the log says why."""
        self.keys.chmod(0o666)
        daemon = self.daemonWithKeys()
        self.assertTrue(daemon.says("can be written by others: `chmod go-w"), daemon.log())
        self.knock(self.client, self.seal())
        self.assertFalse(self.client.reaches(PORT))


class AttackTests(SealedTestCase):
    """Those who listen, and those who send in other people's names."""

    def setUp(self) -> None:
        """Have something behind the door."""
        super().setUp()
        self.server.serve(PORT)

    def test_replay(self) -> None:
        """
        A recorded knock opens nothing: from elsewhere, from the same address after the door has
        closed, after a restart of the daemon, or at another server that takes the same key.
        """
        ahead = self.seal(stamp=int(1000 * time.time()) + 50_000)  # its maker's clock is ahead
        daemon = self.daemonWithKeys(openFor="2s")
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
        daemon = Daemon(
            self.stranger,
            *("-m", ",".join(map(str, SEQUENCE)), "-p", str(PORT), "-k", str(self.keys)),
            *("-f", "nftables"),
        )
        self.knock(self.server, ahead, STRANGER4)
        self.assertTrue(daemon.says("this knock was seen before"), daemon.log())
        self.knock(self.server, self.seal(), STRANGER4)
        self.assertTrue(daemon.says("opened door"), daemon.log())

    def test_lostNotes(self) -> None:
        """
        Nor when the notes are deleted: all are refused until the skew has passed, and one line says
        so; then new ones open.
        """
        ahead = self.seal(stamp=int(1000 * time.time()) + 4000)
        skew = ("--clock-skew", "5s")
        daemon = self.daemonWithKeys(*skew)
        self.assertOpens(ahead)
        self.close()
        daemon.stop()
        seenPath(str(self.keys)).unlink()
        daemon = self.daemonWithoutNotes(*skew)
        self.assertTrue(daemon.says("cannot be trusted (they are missing): sealed knocks are refu"))
        self.knock(self.client, ahead)
        self.assertTrue(daemon.says("the notes of what knocks opened before the start are lost"))
        self.assertTrue(eventually(lambda: self.opensNow(daemon), 60), daemon.log())
        daemon.stop()
        daemon = self.daemonWithoutNotes(*skew)
        self.assertOpens(self.seal())
        self.assertNotIn("notes", daemon.log())

    def daemonWithoutNotes(self, *options: str) -> Daemon:
        """A daemon that finds no notes but those that another left."""
        self.patch(self.server, "haveNotes", lambda *options: None)
        return self.daemonWithKeys(*options)

    def opensNow(self, daemon: Daemon) -> bool:
        """Whether a new knock opens."""
        self.knock(self.client, self.seal())
        return "opened door" in daemon.log()

    def assertReplaysFail(self, daemon: Daemon, recorded: list[bytes]) -> None:
        """Sending them again opens nothing, from wherever."""
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
        Somebody who knows the whole sequence floods it with plain knocks and bad seals, in the
        victim's name and in others'; each of the victim's knocks opens at its first sending.
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
        """The daemon comes to have logged something so many times, and not more often."""
        eventually(lambda: daemon.log().count(words) >= times)
        self.assertEqual(daemon.log().count(words), times)

    def spoof(self) -> Process:
        """Somebody on the stranger's host who sends as the client."""
        good = self.seal()
        stranger = makeKey()
        flipped = [
            good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(20, len(good), 7)
        ]
        junk = [b"knock\n", good[:100], good[:-1], *flipped]
        junk += [sealed(stranger, SEQUENCE) for _ in range(20)]
        junk += [statement(self.key).encode() + bytes(random.randbytes(83)) for _ in range(20)]
        (self.folder / "junk").write_text("".join(f"{each.hex()}\n" for each in junk))
        ports = ",".join(map(str, SEQUENCE))
        command = f"{sys.executable} -m tests.lab.spoofer {CLIENT4} {SERVER4} {ports} {RATE}"
        spoofer = self.stranger.spawn(
            "sh", "-c", f"exec {command} < {self.folder / 'junk'}", PYTHONPATH=str(ROOT)
        )
        self.assertTrue(spoofer.says("sending"))
        return spoofer

    def test_garbage(self) -> None:
        """Every byte changed, cut off or doubled, and random ones: nothing opens or breaks."""
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
    """A line that loses, doubles and delays."""

    def test_badLine(self) -> None:
        """A sealed knock opens at its first sending where a plain one often does not."""
        count = 60
        daemon = self.daemonWithKeys()
        sealed = self.opened(daemon, count, "-i", str(self.privateKey()))
        daemon.stop()
        daemon = self.daemon(openFor="1h")
        plain = self.opened(daemon, count)
        self.assertGreaterEqual(sealed, count - 1)
        self.assertLess(plain, sealed)

    def test_knocksAgain(self) -> None:
        """However bad the line is: with C{--wait} it knocks again, and opens at last."""
        ports = ", ".join(map(str, SEQUENCE))
        self.server.run(
            "nft",
            "table inet line { chain c { type filter hook prerouting priority raw; "
            f"udp dport {{ {ports} }} numgen random mod 100 < 50 drop; }}; }}",
        )
        self.server.serve(PORT)
        self.daemonWithKeys(openFor="1s")
        opened = ("nft", "list", "set", "inet", "pkdoors", "default_open4")
        identity = str(self.privateKey())
        for _ in range(4):
            status, output = self.client.status(
                *(str(BIN / "pkdoors"), "knock", SERVER4, "-m", ports.replace(" ", "")),
                *("-i", identity, "--wait", str(PORT), "--timeout", "300ms", "--tries", "50"),
            )
            self.assertEqual(0, status, output)
            self.assertTrue(eventually(lambda: CLIENT4 not in self.server.run(*opened)))

    def privateKey(self) -> Path:
        """The key, as ssh-keygen would leave it."""
        path = self.folder / "id"
        path.write_bytes(self.key.toString("openssh", subtype="v1"))
        path.chmod(0o600)
        return path

    def opened(self, daemon: Daemon, count: int, *options: str) -> int:
        """How many of so many knocks open, or move the deadline."""
        ports = ",".join(map(str, SEQUENCE))
        python = (sys.executable, "-m")
        relay = self.client.spawn(
            *python, "tests.lab.badline", SERVER4, ports, "20261123", PYTHONPATH=str(ROOT)
        )
        self.assertTrue(relay.says("relaying"), relay.log())
        knocks = self.client.spawn(
            *(*python, "tests.lab.knocks", str(count), "0.15"),
            *("127.0.0.1", "-m", ports, *options),
            PYTHONPATH=str(ROOT),
        )
        self.assertEqual(knocks.popen.wait(120), 0, knocks.log())
        relay.stop()
        return len(re.findall("(?:opened|extended) door", daemon.log()))
