"""Tests of the scripts: what they do with secrets, and how they install packages."""

import subprocess
from pathlib import Path
from shutil import copy

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests import ROOT

SERVER = ROOT / "script/server"

_LIB = """
VENV=$ROOT/.venv
SERVER_NEEDS=
die() { echo "$*" >&2; exit 1; }
need_root() { :; }
need() { :; }
make_venv() { :; }
"""
_PKDOORS = """#!/bin/sh
case $1 in
sequence) echo 17001,17203,17005,17404,17002 ;;
daemon) echo "arguments: $*"; echo "variables: $KNOCKER_SEQ $KNOCKER_PORTS" ;;
*) exit 1 ;;
esac
"""


class ServerTests(SynchronousTestCase):
    """
    C{script/server}, with nothing behind it.
    """

    def run_(self, *options: str) -> str:
        """Return what it prints, and what the daemon gets."""
        root = Path(self.mktemp())
        programs = root / ".venv" / "bin"
        programs.mkdir(parents=True)
        (root / "script").mkdir()
        copy(SERVER, root / "script")
        (root / "script" / "lib.sh").write_text(_LIB)
        for name, text in (("pkdoors", _PKDOORS),):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        done = subprocess.run(
            ["sh", str(root / "script" / "server"), *options],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        return done.stdout

    def test_secret(self) -> None:
        """
        The sequence is in the environment, not on a command line, which C{ps} shows to all users.
        """
        output = self.run_()
        self.assertIn("arguments: daemon\n", output)
        self.assertIn("variables: 17001,17203,17005,17404,17002 2222\n", output)
        self.assertIn("KNOCKER_SEQ=17001,17203,17005,17404,17002 pkdoors knock ", output)
        self.assertIn(
            "    for port in 17001 17203 17005 17404 17002; do echo knock > /dev/", output
        )
        self.assertNotIn("-m 17001", output)
        self.assertNotIn("bash -c", output)

    def test_options(self) -> None:
        """Options are passed on unchanged, and nothing is added."""
        output = self.run_("--conf", "/a file")
        self.assertEqual("arguments: daemon --conf /a file\nvariables:  \n", output)


class LoopbackTests(SynchronousTestCase):
    """
    C{need_loopback} of C{script/lib.sh}.
    """

    def run_(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run it with a command in front."""
        lines = f"ROOT={ROOT}; . {ROOT}/script/lib.sh; need_loopback; echo good"
        words = [*command, "sh", "-euc", lines]
        return subprocess.run(words, capture_output=True, text=True, timeout=60)

    def test_up(self) -> None:
        """As a rule it does nothing."""
        done = self.run_()
        self.assertEqual((0, "good\n", ""), (done.returncode, done.stdout, done.stderr))

    def test_down(self) -> None:
        """Where tests cannot connect to this machine, one line says what to do."""
        done = self.run_("unshare", "--user", "--net")
        if "unshare" in done.stderr:
            raise SkipTest(f"this user may not make a network: {done.stderr.strip()}")
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertEqual(1, done.stderr.count("\n"), done.stderr)
        self.assertIn("`ip link set lo up`", done.stderr)


class NeedTests(SynchronousTestCase):
    """
    C{need} of C{script/lib.sh}.
    """

    def need(self, item: str, status: int) -> "subprocess.CompletedProcess[str]":
        """Need something, with an apt-get that ends with a status, in a script that has its own."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "apt-get").write_text(f'#!/bin/sh\n[ "$1" = update ] || exit {status}\n')
        (folder / "apt-get").chmod(0o755)
        lines = (
            f"ROOT={ROOT}",
            ". $ROOT/script/lib.sh",
            "hold_services() { :; }",
            "free_services() { :; }",
            "flock() { :; }",
            "status=0",
            f"need {item}",
            'echo "went on, $status"',
        )
        return subprocess.run(
            ["sh", "-euc", "\n".join(lines)],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": f"{folder.absolute()}:/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    def test_installed(self) -> None:
        """What is missing gets installed, and the script goes on as it was."""
        done = self.need("command:not-there:package", 0)
        self.assertEqual(("went on, 0\n", "installing package\n"), (done.stdout, done.stderr))

    def test_failed(self) -> None:
        """If apt-get fails, the script ends, and names the package."""
        done = self.need("command:not-there:package", 100)
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertIn("apt-get could not install package", done.stderr)

    def test_there(self) -> None:
        """What is there needs nothing."""
        self.assertEqual("went on, 0\n", self.need("command:sh:package", 100).stdout)
