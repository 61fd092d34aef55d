"""Tests of what runs on Windows, macOS and telephones: all that is for a client."""

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import COMMANDS, OF_SERVER
from pkdoors.client.keys.orders import readOrder
from pkdoors.knocks.order import parseOrder
from pkdoors.model.sequence import Sequence
from tests import ROOT
from tests.fakes.agent import makeKey
from tests.fakes.knocked import HOST, PATIENCE, FakeDoor

ELSEWHERE = (sys.executable, "-m", "tests.fakes.elsewhere")
PLATFORMS = ("win32", "darwin", "android")
NEEDED = {"check": (), "close": ("--all",), "open": ("192.0.2.1",)}
"""Arguments that commands cannot do without."""
_READ = """
import os, sys
from tests.fakes.elsewhere import hide
hide()
from pkdoors.client.profilefile import readProfiles
from pkdoors.files.reading import readFile
for name in ("fcntl", "pwd", "grp", "termios"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(name)
for path in ("/proc/self/status", "/sys"):
    try:
        os.stat(path)
    except FileNotFoundError:
        continue
    raise AssertionError(path)
assert not hasattr(os, "getuid") and not hasattr(os, "O_NONBLOCK")
for profile in readProfiles({"APPDATA": sys.argv[1]}).values():
    print(profile.address, profile.sequence)
"""
"""Read the profiles in a folder, where all that is taken away is."""


class ElsewhereTestCase(SynchronousTestCase):
    """Runs commands on a system that is not Linux."""

    def run_(self, platform: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Return how a command ends, and what it prints."""
        done = subprocess.run(
            [*ELSEWHERE, platform, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )
        return done.returncode, done.stdout, done.stderr


class CommandTests(ElsewhereTestCase):
    """The commands."""

    def test_help(self) -> None:
        """Each command shows its help."""
        status, stdout, stderr = self.run_("win32", "--help")
        self.assertEqual((0, ""), (status, stderr))
        for name in COMMANDS:
            self.assertIn(name, stdout)
            status, shown, stderr = self.run_("win32", name, "--help")
            self.assertEqual((0, ""), (status, stderr), name)
            self.assertIn(f"sage: pkdoors {name}", shown)

    def test_server(self) -> None:
        """A command for the daemon's host ends with one sentence."""
        for name in OF_SERVER:
            status, stdout, stderr = self.run_("win32", name, *NEEDED.get(name, ()))
            sentence = "this needs Linux: run it on the host whose ports the daemon protects"
            self.assertEqual((1, "", f"pkdoors {name}: {sentence}\n"), (status, stdout, stderr))
        ofClient = {
            "completion",
            "connect",
            "export",
            "fleet",
            "import",
            "knock",
            "sequence",
            "web",
        }
        self.assertEqual(ofClient, {*COMMANDS} - OF_SERVER)
        for name, words in (("status", ()), ("doctor", ()), ("watch", ()), ("close", ("--all",))):
            ended = self.run_("darwin", "fleet", name, *words)
            self.assertEqual((1, "", f"pkdoors fleet {name}: {sentence}\n"), ended)

    def test_web(self) -> None:
        """Without a host, there is nothing that C{web} could show; a wrong one is a sentence."""
        for platform in PLATFORMS:
            sentence = "this system has no daemon: name its HOST, such as root@gate1"
            ended = self.run_(platform, "web")
            self.assertEqual((1, "", f"pkdoors web: {sentence}\n"), ended)
            status, stdout, stderr = self.run_(platform, "web", "--", "-oProxyCommand=x")
            self.assertEqual((2, "", 1), (status, stdout, stderr.count("\n")), stderr)

    def test_order(self) -> None:
        """An operator's key signs an order anywhere."""
        file = Path(self.mktemp()).absolute()
        file.touch(0o600)
        file.write_bytes(makeKey("ed25519").toString("openssh"))
        options = ("--print", "--fleet", "prod", "--identity", str(file))
        for platform in PLATFORMS:
            words = ("ban", "SHA256:" + 43 * "A", *options)
            status, stdout, stderr = self.run_(platform, "fleet", *words)
            self.assertEqual((0, ""), (status, stderr))
            self.assertEqual("ban", parseOrder(readOrder(stdout.encode())).order.verb)

    def test_wrongly(self) -> None:
        """A command that is used wrongly says so, and no command is a hint."""
        for arguments in (("frobnicate",), ("check", "--frobnicate"), ("knock",), ("open",)):
            status, stdout, stderr = self.run_("win32", *arguments)
            self.assertEqual((2, "", 1), (status, stdout, stderr.count("\n")), arguments)
        self.assertEqual(2, self.run_("win32")[0])

    def test_sequence(self) -> None:
        """There are sequences of free ports everywhere."""
        for platform in PLATFORMS:
            for option in ((), ("--tcp",)):
                status, stdout, stderr = self.run_(platform, "sequence", "-n", "7", *option)
                self.assertEqual((0, ""), (status, stderr))
                sequence = Sequence.parse(stdout.strip())
                self.assertEqual(7 if option else 0, len(sequence.tcpPorts()))
                self.assertEqual(7, len({*sequence.ports}))

    def test_exports(self) -> None:
        """A profile is imported and exported, with the folders of that system."""
        for platform in PLATFORMS:
            folder = str(Path(self.mktemp()).absolute())
            home = {"XDG_CONFIG_HOME": folder}
            if platform == "win32":
                home = {"XDG_CONFIG_HOME": "", "HOME": "", "APPDATA": folder}
            uri = "pkdoors://home.example?seq=7,9,8,6,5&sealed=1&name=home"
            status, stdout, stderr = self.run_(platform, "import", uri, **home)
            self.assertEqual((0, ""), (status, stderr))
            self.assertIn("[hosts.home]", stdout)
            # On macOS, the library of QR codes loads a module in C that only a Python there has.
            codes = () if platform == "darwin" else ("qr",)
            for form in ("powershell", "bash", "uri", *codes):
                file = f"{folder}/{form}.png"
                options = ("home", "--format", form, "-o", file)
                status, stdout, stderr = self.run_(platform, "export", *options, **home)
                self.assertEqual((0, "", True), (status, stdout, file in stderr), stderr)
            self.assertEqual(f"{uri}\n", Path(f"{folder}/uri.png").read_text())

    def test_completion(self) -> None:
        """A shell learns to complete."""
        status, stdout, stderr = self.run_("darwin", "completion", "zsh")
        self.assertEqual((0, ""), (status, stderr))
        self.assertIn("pkdoors", stdout)


class ClientTests(ElsewhereTestCase):
    """The client, which really knocks and relays there, on the loopback."""

    def setUp(self) -> None:
        """Make a door."""
        self.door = FakeDoor()
        self.addCleanup(self.door.close)
        self.sequence = ",".join(map(str, self.door.ports))
        self.port = str(self.door.protected)

    def meanwhile(self, *work: Callable[[], Any]) -> None:
        """Do some work in another thread."""

        def run() -> None:
            for each in work:
                each()

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def reopen(self) -> None:
        """Have another door."""
        self.door.close()
        self.setUp()

    def knock(self, platform: str, *options: str) -> tuple[int, str, str]:
        """Knock on the door."""
        return self.run_(platform, "knock", HOST, "-m", self.sequence, *options)

    def test_plain(self) -> None:
        """A plain knock arrives in whole and in order, with and without a pause."""
        for platform in PLATFORMS:
            for options in ((), ("--interval", "0")):
                self.reopen()
                status, stdout, stderr = self.knock(platform, *options)
                self.assertEqual((0, f"knocked on {HOST} ({HOST})\n", ""), (status, stdout, stderr))
                self.door.hear()
                self.assertEqual([(at, b"knock\n") for at in range(5)], self.door.heard)

    def test_wait(self) -> None:
        """It waits until the door is open; Twisted could not be loaded there."""
        for platform in PLATFORMS:
            self.reopen()
            self.meanwhile(self.door.hear, self.door.accept)
            status, stdout, stderr = self.knock(platform, "--wait", self.port)
            self.assertEqual((0, ""), (status, stderr))
            self.assertIn(f"{self.port}/tcp of {HOST} opened ", stdout)

    def test_group(self) -> None:
        """A group is knocked on at once, and one of its hosts has a name."""
        for platform in PLATFORMS:
            self.reopen()
            other = FakeDoor()
            self.addCleanup(other.close)
            self.writeProfiles(
                f'[hosts.a]\naddress = "{HOST}"\nsequence = [{self.sequence}]\n'
                f"wait = {self.port}\n"
                f'[hosts.b]\naddress = "localhost"\nsequence = {list(other.ports)}\n'
                '[groups.both]\nhosts = ["a", "b"]\n'
            )
            self.meanwhile(self.door.hear, self.door.accept)
            self.meanwhile(other.hear)
            status, stdout, stderr = self.run_(platform, "knock", "both", "-4")
            self.assertEqual((0, 2, ""), (status, stdout.count("\n"), stderr), stdout)

    def test_keygen(self) -> None:
        """A file of a key seals, by ssh-keygen; the fake Windows cannot start programs."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], check=True
        )
        for platform in PLATFORMS[1:]:
            self.reopen()
            self.meanwhile(self.door.hear)
            status, _, stderr = self.knock(platform, "-i", str(folder / "id"))
            self.assertEqual((0, ""), (status, stderr))

    def writeProfiles(self, text: str) -> None:
        """Write the client's profiles."""
        folder = Path(self.mktemp()).absolute()
        (folder / "pkdoors").mkdir(parents=True)
        path = folder / "pkdoors" / "hosts.toml"
        path.write_text(text)
        path.chmod(0o600)
        self.patch(os, "environ", {**os.environ, "XDG_CONFIG_HOME": str(folder)})

    def test_refused(self) -> None:
        """A port at which nothing listens is told from one that does not answer."""
        for platform in PLATFORMS:
            options = ("--wait", self.port, "--tries", "2", "--timeout", "200ms")
            status, stdout, stderr = self.knock(platform, *options)
            self.assertEqual((1, ""), (status, stdout), stderr)
            self.assertIn("connection refused, knocking again (1 left)", stderr)
            self.assertIn("nothing listens on that port", stderr)

    def test_tcp(self) -> None:
        """TCP ports are knocked on."""
        for platform in PLATFORMS:
            with contextlib.ExitStack() as stack:
                ports = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(5)]
                sequence = ",".join(f"{each.getsockname()[1]}/tcp" for each in ports)
                status, _, stderr = self.run_(platform, "knock", HOST, "-m", sequence)
                self.assertEqual((0, ""), (status, stderr))
                for each in ports:
                    each.settimeout(PATIENCE)
                    each.accept()[0].close()

    def test_connect(self) -> None:
        """Bytes of every value are carried both ways, through a door that was closed."""
        sent = random.Random(1).randbytes(3_000_000) + b"\r\n\n\r\x1a"
        for platform in PLATFORMS:
            self.reopen()
            self.meanwhile(self.door.hear, self.door.accept, self.echo)
            done = subprocess.run(
                [*ELSEWHERE, platform, "connect", HOST, self.port, "-m", self.sequence],
                cwd=ROOT,
                input=sent,
                capture_output=True,
                timeout=PATIENCE,
            )
            self.assertEqual((0, b""), (done.returncode, done.stderr))
            self.assertEqual(b"SSH-2.0-test\r\n" + sent, done.stdout)

    def test_nonBlocking(self) -> None:
        """Another program has set the mode of the pipe to its input."""
        self.meanwhile(self.door.hear, self.door.accept, self.echo)
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        with subprocess.Popen(
            [*ELSEWHERE, "android", "connect", HOST, self.port, "-m", self.sequence],
            cwd=ROOT,
            stdin=reading,
            stdout=subprocess.PIPE,
        ) as process:
            os.close(reading)
            assert process.stdout
            self.assertEqual(b"SSH-2.0-test\r\n", process.stdout.read(14))
            for word in (b"one", b"two"):
                os.write(writing, word)
                self.assertEqual(word, process.stdout.read(3))
            os.close(writing)
            self.assertEqual((b"", 0), (process.stdout.read(), process.wait(PATIENCE)))

    def test_noReader(self) -> None:
        """If the reader of its output goes, it ends."""
        for platform in PLATFORMS:
            self.reopen()
            self.door.listen()
            with subprocess.Popen(
                [*ELSEWHERE, platform, "connect", HOST, self.port, "-m", self.sequence],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as process:
                self.door.accept()
                assert process.stdout and process.stderr
                process.stdout.read(4)
                process.stdout.close()
                with contextlib.suppress(OSError):
                    while True:
                        self.door.accepted[0].sendall(bytes(1000))
                self.assertEqual(0, process.wait(PATIENCE))
                self.assertEqual(b"", process.stderr.read())

    def test_agent(self) -> None:
        """Where Python cannot reach an SSH agent, that is a sentence."""
        self.patch(os, "environ", {**os.environ, "SSH_AUTH_SOCK": "agent"})
        status, stdout, stderr = self.knock("win32", "-i", "agent")
        self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")), stderr)
        self.assertIn("Python cannot connect to an agent on this system", stderr)

    def echo(self) -> None:
        """Send back all that comes, and its end."""
        peer = self.door.accepted[-1]
        while data := peer.recv(1 << 16):
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)


class ProfileTests(SynchronousTestCase):
    """The client's profiles."""

    def test_read(self) -> None:
        """They are read where files have no owners, and nothing else is there."""
        folder = Path(self.mktemp()).absolute()
        (folder / "pkdoors").mkdir(parents=True)
        path = folder / "pkdoors" / "hosts.toml"
        path.write_bytes(b"[hosts.home]\r\nsequence = [7, 9, 8, 6, 5]\r\n")
        path.chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-c", _READ, str(folder)], cwd=ROOT, capture_output=True, text=True
        )
        self.assertEqual((0, "", "home 7,9,8,6,5\n"), (done.returncode, done.stderr, done.stdout))
