"""Tests of L{pkdoors.install.clientfile}."""

import ast
import marshal
import os
import subprocess
import sys
import zipfile
from functools import cache
from importlib.util import MAGIC_NUMBER
from io import BytesIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import pkdoors
from pkdoors.cli import COMMANDS as ALL_COMMANDS
from pkdoors.errors import InstallError
from pkdoors.install import clientfile
from pkdoors.install._clientmodules import Modules
from pkdoors.install.clientfile import COMMANDS, MAX_SIZE, makeClientFile, writeClientFile
from tests import ROOT
from tests.lab.sources import modules, reached

GUARDED = {
    "pkdoors.cli": {"pkdoors.commands.completion"},
    "pkdoors.client.keys._filekeys": {"pkdoors.client.keys._filesigner"},
    "pkdoors.commands._run": {"twisted"},
    "pkdoors.commands.knock": {
        "pkdoors.client.reactor.driver",
        "pkdoors.client.reactor.keepopen",
    },
}
"""Module -> what functions of it import that is not in the file: those first look whether it is."""
SEQUENCE = "17001,17203,17005,17404,17002"


@cache
def make() -> bytes:
    """Return the file."""
    return makeClientFile()


def read() -> dict[str, str]:
    """Return the names of the modules in the file, and their texts."""
    with zipfile.ZipFile(BytesIO(make())) as file:
        whole = file.read("modules.txt").decode()
        parts = [part.partition("\n") for part in whole.removeprefix("#: ").split("\n#: ")]
        found = {name: text for name, _, text in parts}
        return {**found, "__main__": file.read("__main__.py").decode()}


def withoutCode() -> bytes:
    """Return the file as another version of Python sees it: with no code for it."""
    changed = BytesIO()
    with zipfile.ZipFile(BytesIO(make())) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr("code/other" if name.startswith("code/") else name, old.read(name))
    return changed.getvalue()


class MakeTests(SynchronousTestCase):
    """What is in the file."""

    def test_small(self) -> None:
        """It is small, and the code is not all that had to stay outside."""
        self.assertLess(len(make()), MAX_SIZE)
        self.assertGreater(len(make()), MAX_SIZE * 0.9)

    def test_same(self) -> None:
        """A new process makes the same bytes, whatever its seed of hashes."""
        command = "import sys; from pkdoors.install.clientfile import makeClientFile as make\n"
        command += "sys.stdout.buffer.write(make())"
        for seed in "12":
            done = subprocess.run(
                [sys.executable, "-c", command],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
            )
            self.assertEqual(make(), done.stdout)

    def test_complete(self) -> None:
        """What its modules import is in it, or in the standard library, or guarded."""
        inside = read()
        outside: dict[str, set[str]] = {}
        for name, text in inside.items():
            for each in _listImports(ast.parse(text)):
                isInside = {each, each.rpartition(".")[0]} & inside.keys()
                if not isInside and each.partition(".")[0] not in sys.stdlib_module_names:
                    outside.setdefault(name, set()).add(each)
        outside = {name: {_moduleOf(each) for each in found} for name, found in outside.items()}
        self.assertEqual(GUARDED, outside)

    def test_loads(self) -> None:
        """Each of its modules can be loaded, from code and from text, with nothing else there."""
        path = Path(self.mktemp()).absolute()
        names = sorted(read().keys() - {"__main__"})
        script = (
            f"import runpy, sys\nsys.argv = ['', '-V']\ntry: runpy.run_path({str(path)!r})\n"
            f"except SystemExit: pass\nimport {', '.join(names)}\n"
            f"print({{type(sys.modules[each].__loader__).__name__ for each in {names}}})\n"
        )
        for content in (make(), withoutCode()):
            path.write_bytes(content)
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True
            )
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertEqual("{'ClientLoader'}", done.stdout.splitlines()[-1])

    def test_code(self) -> None:
        """It holds the code of most of what a knock needs; the rest is compiled each time."""
        with zipfile.ZipFile(BytesIO(make())) as file:
            codes = marshal.loads(file.read(f"code/{MAGIC_NUMBER.hex()}"))
        self.assertEqual(read().keys() - {"__main__"}, codes.keys())
        texts = read()
        needed = [
            f"pkdoors.{each}".strip(".") for each in reached("cli", "commands.knock", atTop=True)
        ]
        size = sum(len(texts[each]) for each in needed)
        # The code of Python 3.14 is larger, so less of it fits.
        self.assertGreater(sum(len(texts[each]) for each in needed if codes[each]), 0.4 * size)

    def test_foreign(self) -> None:
        """A module that needs another library is refused as a root, and left out elsewhere."""
        modules = Modules(
            {
                "pkdoors": "",
                "pkdoors.a": "import pkdoors.b\ndef f():\n import pkdoors.c, pkdoors.d",
                "pkdoors.b": "if TYPE_CHECKING:\n import x",
                "pkdoors.c": "def f():\n import pkdoors.b, x",
                "pkdoors.d": "import pkdoors.e",
                "pkdoors.e": "try:\n import x\nexcept ImportError: pass",
            },
            {"sys"},
        )
        self.assertEqual(
            ["pkdoors", "pkdoors.a", "pkdoors.b", "pkdoors.c"], modules.choose(["pkdoors.a"])
        )
        self.assertEqual(
            ["pkdoors", "pkdoors.a", "pkdoors.b"], modules.choose(["pkdoors.a"], ["pkdoors.c"])
        )
        error = self.assertRaises(InstallError, modules.choose, ["pkdoors.d"])
        self.assertEqual("pkdoors.d needs x", str(error))

    def test_shortened(self) -> None:
        """Texts lose what only readers need, and keep what they mean."""
        text = '''
"""Doc."""
from typing import TYPE_CHECKING, NamedTuple
if TYPE_CHECKING:
    from x import y
class A(NamedTuple):
    """Doc."""
    x: int
    y: str = ""
    """Doc."""
    def f(self, a: int, *b: int, c: "y" = None) -> "y":
        """Doc."""
        d: int = a
        e: "y"
        return lambda: d  # why
async def g() -> None:
    """Doc."""
'''
        modules = Modules({"pkdoors.m": text}, ())
        self.assertEqual(
            """from typing import TYPE_CHECKING, NamedTuple

class A(NamedTuple):
    x: int
    y: str = ''

    def f(self, a, *b, c=None):
        d = a
        return lambda: d

async def g():
    pass
""",
            modules.render("pkdoors.m"),
        )

    def test_tooLarge(self) -> None:
        """What does not fit even without code is an error."""
        self.patch(clientfile, "MAX_SIZE", 1000)
        error = self.assertRaises(InstallError, makeClientFile)
        self.assertEqual("the client would have more than 1000 bytes", str(error))

    def test_noPython(self) -> None:
        """So is an interpreter that compiles nothing."""
        for path in ("/nonexistent", "/bin/false", "/bin/true"):
            error = self.assertRaises(InstallError, makeClientFile, path)
            self.assertIn(f"cannot compile the client with {path}: ", str(error))


def _moduleOf(name: str) -> str:
    """Return the module of a name that was imported, or the library that it is from."""
    if not name.startswith("pkdoors."):
        return name.partition(".")[0]
    return name if name.removeprefix("pkdoors.") in modules() else name.rpartition(".")[0]


def _listImports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


class RunTests(SynchronousTestCase):
    """The file, run where nothing else is."""

    def setUp(self) -> None:
        """Write it into an empty folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "pkdoors-knock.pyz"
        self.path.write_bytes(make())

    def run_(self, *arguments: str, python: tuple[str, ...] = ("-I", "-S")) -> tuple[int, str, str]:
        """Return how it ends, and what it prints."""
        done = subprocess.run(
            [sys.executable, *python, self.path.name, *arguments],
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    def test_version(self) -> None:
        """It knows its version, without a library for that."""
        said = f"pkdoors {pkdoors.__version__.public()}\n"
        self.assertEqual((0, said, ""), self.run_("--version"))

    def test_help(self) -> None:
        """Its help lists the commands that it has."""
        status, stdout, stderr = self.run_("--help")
        self.assertEqual((0, ""), (status, stderr))
        listed = {line.split()[0] for line in stdout.splitlines() if line.startswith("    ")}
        self.assertEqual({*COMMANDS}, listed & ALL_COMMANDS.keys())

    def test_lacking(self) -> None:
        """What it lacks is one sentence, whatever libraries are installed."""
        keep = ("knock", "192.0.2.1", "-m", SEQUENCE, "--keep", "--open-for", "1h")
        for python in (("-I", "-S"), ("-I",)):
            for what, words in (
                ("status", ("status",)),
                ("--keep", keep),
                ("check", ("check", "-x")),
            ):
                status, stdout, stderr = self.run_(*words, python=python)
                self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")), stderr)
                self.assertIn(f"{what} is not in this file: install all of pkdoors", stderr)
        status, _, stderr = self.run_("frobnicate")
        self.assertEqual((2, 1), (status, stderr.count("\n")))

    def test_completion(self) -> None:
        """A shell that asks it for completions gets none, and no traceback."""
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(self.path), "--version"],
            env={"_ARGCOMPLETE": "1", "COMP_LINE": "pkdoors ", "COMP_POINT": "8"},
            capture_output=True,
            text=True,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_traceback(self) -> None:
        """If something goes wrong, the traceback shows the lines."""
        script = (
            "import runpy, sys\nsys.argv = ['', '-V']\n"
            f"try: runpy.run_path({str(self.path)!r})\nexcept SystemExit: pass\n"
            "import traceback\nfrom pkdoors.model.ports import parseTcpPort\n"
            "try: parseTcpPort(None)\nexcept Exception: print(traceback.format_exc())\n"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True
        )
        self.assertIn('File "pkdoors-knock.pyz/pkdoors.model.ports", line ', done.stdout)
        line = next(each for each in done.stdout.splitlines() if "pkdoors.model.ports" in each)
        number = int(line.split("line ")[1].split(",")[0])
        text = read()["pkdoors.model.ports"].splitlines()[number - 1].strip()
        self.assertIn(text, done.stdout)

    def test_wait(self) -> None:
        """With Twisted installed, it waits for a port with its own driver."""
        wait = ("--wait", "9", "--tries", "1", "--timeout", "100ms", "--interval", "0")
        for python in (("-I", "-S"), ("-I",)):
            status, stdout, stderr = self.run_(
                "knock", "127.0.0.1", "-m", SEQUENCE, *wait, python=python
            )
            self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")), stderr)
            self.assertIn("refuses connections to 9/tcp", stderr)

    def test_executable(self) -> None:
        """It begins with the line that lets a shell run it."""
        self.assertTrue(make().startswith(b"#!/usr/bin/env python3\nPK"))


class WriteTests(SynchronousTestCase):
    """
    Tests of L{writeClientFile}.
    """

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "client.pyz"
        self.patch(clientfile, "makeClientFile", make)

    def test_new(self) -> None:
        """Everybody can run the file."""
        writeClientFile(str(self.path))
        self.assertEqual(
            (make(), 0o755), (self.path.read_bytes(), self.path.stat().st_mode & 0o7777)
        )
        self.assertEqual([self.path], list(self.folder.iterdir()))

    def test_again(self) -> None:
        """It replaces an older client."""
        with zipfile.ZipFile(self.path, "w") as file:
            file.writestr("modules.txt", "#: pkdoors\n\n#: pkdoors.cli\nold\n")
        writeClientFile(str(self.path))
        self.assertEqual(make(), self.path.read_bytes())

    def test_foreign(self) -> None:
        """It replaces nothing else: a file, an archive, a link, a folder."""
        other = self.folder / "other"
        other.write_bytes(b"precious")
        with zipfile.ZipFile(self.folder / "zip", "w") as file:
            file.writestr("modules.txt", "precious")
        (self.folder / "link").symlink_to(other)
        (self.folder / "folder").mkdir()
        os.mkfifo(self.folder / "pipe")
        for name, word in {
            "other": "exists, and is not a client of pkdoors",
            "zip": "exists, and is not a client of pkdoors",
            "link": "it is a symbolic link",
            "folder": "directory",
            "pipe": "it is a pipe, not a file",
        }.items():
            error = self.assertRaises(InstallError, writeClientFile, str(self.folder / name))
            self.assertIn(word, str(error))
        self.assertEqual(b"precious", other.read_bytes())
        self.assertEqual(5, len(list(self.folder.iterdir())))

    def test_noFolder(self) -> None:
        """A folder that is not there is a sentence."""
        error = self.assertRaises(InstallError, writeClientFile, str(self.folder / "a" / "b"))
        self.assertIn("cannot write", str(error))
