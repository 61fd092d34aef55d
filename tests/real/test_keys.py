"""
Tests of sealed knocks with OpenSSH's own programs: its keys, its agent, its verification. They need
no daemon, and no root.
"""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.conch.ssh.common import NS
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.seal import NAMESPACE, Sealed, hintOf, makeMessage, makeSignedData, parseSealed
from pkdoors.knocks.signatures import isGood, loadKey
from pkdoors.model.sequence import Sequence
from tests import ROOT
from tests.lab.hosts import PATIENCE

SCRIPT = ROOT / "docs" / "sealed-knock.sh"
CLIENT = (sys.executable, "-c", "from pkdoors.cli import main; main()", "knock", "127.0.0.1")
KINDS = (("ed25519", "256"), ("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "521"))
PASSPHRASE = "correct horse"


def blobOf(key: Path) -> bytes:
    """Return the public key blob of a key."""
    return b64decode(Path(f"{key}.pub").read_text().split()[1])


class KeysTestCase(SynchronousTestCase):
    """A test with UDP sockets that listen on the ports of a sequence."""

    def setUp(self) -> None:
        """Listen."""
        folder = TemporaryDirectory(prefix="pkdoors-")  # a UNIX socket's path must be short
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.sockets = [self.listen() for _ in range(5)]
        self.sequence = Sequence(tuple(listener.getsockname()[1] for listener in self.sockets))
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }

    def listen(self) -> socket.socket:
        """Return a UDP socket with a free port."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.5)  # after the knock: everything has arrived
        return listener

    def key(self, kind: str = "ed25519", bits: str = "256", *options: str) -> Path:
        """Make a new key in a file, by default without a passphrase; return its path."""
        path = self.folder / f"{kind}{bits}"
        passphrase = options if "-N" in options else ("-N", "", *options)
        self.run_("ssh-keygen", "-q", "-t", kind, "-b", bits, "-f", str(path), *passphrase)
        return path

    def run_(self, *argv: str, **environment: str) -> str:
        """Run a program to its end, which must be a success; return all its output."""
        status, output = self.status(*argv, **environment)
        self.assertEqual(status, 0, output)
        return output

    def status(self, *argv: str, **environment: str) -> tuple[int, str]:
        """Run a program without a terminal; return its status and all its output."""
        done = subprocess.run(
            argv,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    def client(self, *options: str) -> tuple[str, ...]:
        """Return the command that knocks."""
        return (*CLIENT, "-m", str(self.sequence), *options)

    def arrived(self) -> list[bytes]:
        """Return the different datagrams that came to all ports, in order."""
        received = [self.received(listener) for listener in self.sockets]
        self.assertEqual(1, len(set(map(tuple, received))), "the ports got the same")
        return received[0]

    def received(self, listener: socket.socket) -> list[bytes]:
        found: dict[bytes, None] = {}
        try:
            while True:
                found[listener.recv(4096)] = None
                listener.settimeout(0.02)
        except TimeoutError:
            return list(found)

    def checkGood(self, datagram: bytes, key: Path) -> Sealed:
        """Assert that a datagram is a sealed knock of this key for this sequence, and no other."""
        sealed = parseSealed(datagram)
        blob = blobOf(key)
        self.assertEqual(hintOf(blob, sealed.statement.nonce), sealed.statement.hint)
        data = makeSignedData(sealed.text, self.sequence)
        self.assertTrue(isGood(loadKey(blob), sealed.signature, data))
        other = makeSignedData(sealed.text, Sequence(self.sequence.ports[::-1]))
        self.assertFalse(isGood(loadKey(blob), sealed.signature, other))
        self.assertLess(abs(sealed.statement.stamp / 1000 - time.time()), 60)
        return sealed


class FileTests(KeysTestCase):
    """C{pkdoors knock} with keys in files."""

    def test_kinds(self) -> None:
        """Keys of all kinds and formats seal."""
        forms = [(*kind, "RFC4716") for kind in KINDS]  # this format is OpenSSH's own
        forms += [(*kind, form) for kind in KINDS[1:3] for form in ("PEM", "PKCS8")]
        for kind, bits, form in forms:
            with self.subTest((kind, bits, form)):
                key = self.key(kind, bits, "-m", form)
                self.run_(*self.client("-i", str(key)))
                (datagram,) = self.arrived()
                self.checkGood(datagram, key)
                key.unlink()

    def test_opensshJudges(self) -> None:
        """C{ssh-keygen -Y verify} accepts the seal, for this message and no other."""
        for kind, bits in KINDS:
            with self.subTest((kind, bits)):
                key = self.key(kind, bits)
                self.run_(*self.client("-i", str(key), "--door", "web", "--open-for", "10m"))
                (datagram,) = self.arrived()
                sealed = parseSealed(datagram)
                message = makeMessage(sealed.text, self.sequence)
                self.assertTrue(self.verifies(key, sealed.signature, message))
                self.assertFalse(self.verifies(key, sealed.signature, message + b"x"))

    def verifies(self, key: Path, signature: bytes, message: bytes) -> bool:
        """Return whether OpenSSH accepts a signature blob of a key over a message."""
        parts = (blobOf(key), NAMESPACE, b"", b"sha512", signature)
        sshsig = b"SSHSIG" + (1).to_bytes(4) + b"".join(map(NS, parts))
        body = re.sub(rb"(.{70})", rb"\1\n", b64encode(sshsig))
        armoured = b"-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n" % body
        (self.folder / "knock.sig").write_bytes(armoured)
        (self.folder / "allowed").write_text(f"me {Path(f'{key}.pub').read_text()}")
        verify = ("ssh-keygen", "-Y", "verify", "-f", str(self.folder / "allowed"), "-I", "me")
        namespace = ("-n", NAMESPACE.decode(), "-s", str(self.folder / "knock.sig"))
        done = subprocess.run((*verify, *namespace), input=message, capture_output=True)
        return done.returncode == 0

    def test_exposed(self) -> None:
        """A key that others can read is refused, and the error has the command that repairs it."""
        key = self.key()
        key.chmod(0o640)
        status, output = self.status(*self.client("-i", str(key)))
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn(f"{key}: others can read or change it: run `chmod 600 {key}`", output)
        self.run_("chmod", "600", str(key))
        self.run_(*self.client("-i", str(key)))

    def test_profile(self) -> None:
        """A profile has everything that a knock needs."""
        key = self.key()
        hosts = self.folder / ".config/pkdoors/hosts.toml"
        hosts.parent.mkdir(parents=True)
        hosts.write_text(
            f'[hosts.home]\naddress = "127.0.0.1"\nsequence = [{self.sequence}]\n'
            f'identity = "~/{key.name}"\ndoor = "web"\n'
        )
        hosts.chmod(0o600)
        self.run_(*CLIENT[:-1], "home")
        (datagram,) = self.arrived()
        self.assertEqual("web", self.checkGood(datagram, key).statement.door)

    def test_noTerminal(self) -> None:
        """Without a terminal nobody is asked, and that is one sentence."""
        key = self.key("ed25519", "256", "-N", PASSPHRASE, "-a", "1")
        status, output = self.status(*self.client("-i", str(key)))
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("there is no terminal to ask for its passphrase", output)


class TerminalTestCase(KeysTestCase):
    """A test with programs at their own terminal."""

    def setUp(self) -> None:
        """Prepare the terminal's process."""
        super().setUp()
        self.seen = ""

    def start(self, *argv: str) -> None:
        """Run a program at its own terminal."""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.execvpe(argv[0], argv, self.environment)
        self.addCleanup(os.close, self.terminal)

    def answer(self, prompt: str, text: bytes) -> None:
        """Wait for a prompt, then type."""
        end = time.monotonic() + PATIENCE
        while prompt not in self.seen and time.monotonic() < end and self.read():
            pass
        self.assertIn(prompt, self.seen)
        os.write(self.terminal, text)

    def read(self) -> bool:
        """Read what is shown; return whether there is more to come."""
        if select.select([self.terminal], [], [], PATIENCE)[0]:
            try:
                self.seen += os.read(self.terminal, 4096).decode()
                return True
            except OSError:  # all processes have closed the terminal
                pass
        return False

    def ended(self) -> int:
        """Wait for the program's end; return its status."""
        while self.read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


class PassphraseTests(TerminalTestCase):
    """C{pkdoors knock} with encrypted keys, at a terminal."""

    def test_right(self) -> None:
        """
        With the passphrase, a key of each format seals; the passphrase is asked for once, and not
        shown.
        """
        for kind, bits, form in (
            ("ed25519", "256", "RFC4716"),
            ("ecdsa", "256", "PEM"),
            ("rsa", "2048", "PKCS8"),
        ):
            with self.subTest((kind, form)):
                self.seen = ""
                key = self.key(kind, bits, "-m", form, "-N", PASSPHRASE, "-a", "1")
                self.start(*self.client("-i", str(key)))
                self.answer(f"Passphrase for {key}: ", f"{PASSPHRASE}\n".encode())
                self.assertEqual(self.ended(), 0, self.seen)
                self.assertNotIn(PASSPHRASE, self.seen)
                self.assertEqual(self.seen.count("Passphrase"), 1)
                (datagram,) = self.arrived()
                self.checkGood(datagram, key)

    def test_onceForAllTries(self) -> None:
        """The passphrase is asked for once, however often the client knocks."""
        key = self.key("ed25519", "256", "-N", PASSPHRASE, "-a", "1")
        waiting = ("--wait", "1", "--timeout", "200ms", "--tries", "2")
        self.start(*self.client("-i", str(key), *waiting))
        self.answer("Passphrase", f"{PASSPHRASE}\n".encode())
        self.assertEqual(self.ended(), 1, self.seen)
        self.assertEqual(self.seen.count("Passphrase"), 1)
        first, second = self.arrived()
        self.assertNotEqual(
            self.checkGood(first, key).statement.nonce, self.checkGood(second, key).statement.nonce
        )

    def test_wrong(self) -> None:
        """A wrong passphrase is one sentence and status 1, and nothing is sent."""
        key = self.key("ed25519", "256", "-N", PASSPHRASE, "-a", "1")
        self.start(*self.client("-i", str(key)))
        self.answer("Passphrase", b"battery staple\n")
        self.assertEqual(self.ended(), 1, self.seen)
        self.assertIn(f"pkdoors knock: {key}: the passphrase is wrong\r\n", self.seen)
        self.assertEqual(self.arrived(), [])

    def test_interrupted(self) -> None:
        """Ctrl-C in place of an answer ends the client."""
        key = self.key("ed25519", "256", "-N", PASSPHRASE, "-a", "1")
        self.start(*self.client("-i", str(key)))
        self.answer("Passphrase", b"\3")
        self.assertEqual(self.ended(), 130, self.seen)
        self.assertIn("pkdoors knock: interrupted", self.seen)
        self.assertEqual(self.arrived(), [])


class AgentTests(KeysTestCase):
    """C{pkdoors knock} with ssh-agent."""

    def setUp(self) -> None:
        """Start the agent."""
        super().setUp()
        path = str(self.folder / "agent")
        agent = subprocess.Popen(
            ("ssh-agent", "-D", "-a", path),
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        self.environment["SSH_AUTH_SOCK"] = path
        end = time.monotonic() + PATIENCE
        while not os.path.exists(path) and time.monotonic() < end:
            time.sleep(0.01)

    def add(self, kind: str, bits: str) -> Path:
        """Make a key that only the agent has; return the public half's path, without its suffix."""
        key = self.key(kind, bits)
        self.run_("ssh-add", "-q", str(key))
        key.unlink()
        return key

    def test_public(self) -> None:
        """With the public half of a key, by either name, the agent seals; with RSA, too."""
        for kind, bits in KINDS:
            key = self.add(kind, bits)
            for path in (str(key), f"{key}.pub"):
                with self.subTest(path):
                    self.run_(*self.client("-i", path))
                    (datagram,) = self.arrived()
                    self.checkGood(datagram, key)

    def test_noPassphrase(self) -> None:
        """A key that is encrypted in its file, but held by the agent, needs no passphrase."""
        for form in ("RFC4716", "PKCS8"):
            with self.subTest(form):
                key = self.key("rsa", "2048", "-m", form)
                self.run_("ssh-add", "-q", str(key))
                encrypt = ("ssh-keygen", "-q", "-p", "-m", form, "-a", "1", "-P", "")
                self.run_(*encrypt, "-N", PASSPHRASE, "-f", str(key))
                self.run_(*self.client("-i", str(key)))
                (datagram,) = self.arrived()
                self.checkGood(datagram, key)
                key.unlink()

    def test_all(self) -> None:
        """C{-i agent} knocks with each of the keys, in the agent's order."""
        keys = [self.add(kind, bits) for kind, bits in KINDS]
        self.run_(*self.client("-i", "agent"))
        for datagram, key in zip(self.arrived(), keys, strict=True):
            self.checkGood(datagram, key)

    def test_lacking(self) -> None:
        """A key that the agent does not hold is one sentence."""
        key = self.key()
        key.unlink()
        status, output = self.status(*self.client("-i", f"{key}.pub"))
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("the SSH agent does not hold it, or is locked", output)

    def test_empty(self) -> None:
        """So is an agent without keys."""
        status, output = self.status(*self.client("-i", "agent"))
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("the SSH agent has no usable key, or is locked", output)

    def test_locked(self) -> None:
        """So is a locked agent."""
        self.add("ed25519", "256")
        ask = self.folder / "ask"
        ask.write_text("#!/bin/sh\necho lock\n")
        ask.chmod(0o700)
        asking = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        self.run_("ssh-add", "-x", **asking)
        status, output = self.status(*self.client("-i", "agent"))
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("or is locked: run ssh-add, or ssh-add -X", output)
        self.run_("ssh-add", "-X", **asking)
        self.run_(*self.client("-i", "agent"))

    def test_refuses(self) -> None:
        """So is an agent that does not sign: here, since the user does not confirm it."""
        key = self.key()
        self.run_("ssh-add", "-q", "-c", str(key))
        key.unlink()
        status, output = self.status(*self.client("-i", f"{key}.pub"))
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("the SSH agent refuses to sign with SHA256:", output)
        self.assertEqual(self.arrived(), [])

    def test_gone(self) -> None:
        """So is a missing agent."""
        status, output = self.status(*self.client("-i", "agent"), SSH_AUTH_SOCK="/nowhere")
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("no SSH agent answers at /nowhere (SSH_AUTH_SOCK)", output)


class PlainTests(KeysTestCase):
    """Plain knocks beside sealed ones."""

    def test_loadsNoKeys(self) -> None:
        """They load nothing that handles keys."""
        code = (
            "import sys; from pkdoors.cli import main\n"
            "try: main()\n"
            "finally: print('twisted.conch' in sys.modules)"
        )
        knock = ("knock", "127.0.0.1", "-m", str(self.sequence))
        output = self.run_(sys.executable, "-c", code, *knock)
        self.assertEqual(output.splitlines()[-1], "False")
        self.assertEqual(self.arrived(), [b"knock\n"])


class ScriptTests(KeysTestCase):
    """C{docs/sealed-knock.sh}: only OpenSSH and bash."""

    def knock(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run it; return status and output."""
        return self.status("bash", str(SCRIPT), *arguments, **environment)

    def test_kinds(self) -> None:
        """With keys of all kinds it makes a sealed knock."""
        for kind, bits in KINDS:
            key = self.key(kind, bits)
            with self.subTest((kind, bits)):
                arguments = (str(key), "127.0.0.1", "web", str(self.sequence))
                status, output = self.knock(*arguments, "90")
                self.assertEqual((status, output), (0, ""))
                (datagram,) = self.arrived()
                said = self.checkGood(datagram, key).statement
                self.assertEqual(("web", 90, "*"), (said.door, said.seconds, said.bind))

    def test_seconds(self) -> None:
        """Without a time it asks for none; it can close as well."""
        key = self.key()
        for values, seconds, close in (((), 0, False), (("close",), 0, True)):
            arguments = (str(key), "127.0.0.1", "web", str(self.sequence), *values)
            self.assertEqual(self.knock(*arguments), (0, ""))
            (datagram,) = self.arrived()
            said = self.checkGood(datagram, key).statement
            self.assertEqual((seconds, close), (said.seconds, said.close))

    def test_noKey(self) -> None:
        """Without the key it fails, and sends nothing."""
        status, _ = self.knock("/nowhere", "127.0.0.1", "web", str(self.sequence))
        self.assertNotEqual(status, 0)
        self.assertEqual(self.arrived(), [])
