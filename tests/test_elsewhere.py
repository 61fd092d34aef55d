"""Tests of what runs on Windows, macOS and telephones: all that is for a client."""

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import COMMANDS, OF_SERVER, OWN_SYNTAX
from pkdoors.model.sequence import Sequence
from tests import ROOT

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
            [sys.executable, "-m", "tests.fakes.elsewhere", platform, *arguments],
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
        self.assertLess({*OWN_SYNTAX}, OF_SERVER)
        ofClient = {"completion", "connect", "export", "import", "knock", "sequence"}
        self.assertEqual(ofClient, {*COMMANDS} - OF_SERVER)

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
