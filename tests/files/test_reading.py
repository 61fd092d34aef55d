"""Tests of L{pkdoors.files.reading}, and that no other module reads files."""

import ast
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient.location import findSocket
from pkdoors.client.keys._pairs import readKeyPair
from pkdoors.client.profilefile import readProfiles
from pkdoors.config.file import readConf
from pkdoors.errors import AskError, PkdoorsError
from pkdoors.files.reading import MAX_BYTES, decodeText, readFile, readStart
from pkdoors.keysources.keyfile import KeyFile, readKeys
from tests.fakes.log import Log
from tests.lab.sealing import makeKey, publicLine
from tests.lab.sources import modules

GIGABYTE = 1 << 30


class FolderTestCase(SynchronousTestCase):
    """
    A test with a folder that only this user can write.
    """

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.path = self.folder / "file"

    def hostile(self) -> Iterator[str]:
        """Replace the file by one thing after another that must not be read."""
        os.mkfifo(self.path, 0o600)
        yield "it is a pipe, not a file"
        self.path.unlink()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.path))
            yield "it is a socket, not a file"
        self.path.unlink()
        self.path.mkdir(0o700)
        yield "Is a directory"
        self.path.rmdir()
        self.path.symlink_to(self.path.name)
        yield "Too many levels of symbolic links"
        self.path.unlink()
        for device in ("/dev/zero", "/dev/tty", "/dev/full"):
            self.path.symlink_to(device)
            yield "it is a device, not a file"
            self.path.unlink()
        self.path.touch(0o600)
        os.truncate(self.path, 3 * GIGABYTE)  # a sparse file
        yield "it has more than "
        self.path.unlink()


class ReadFileTests(FolderTestCase):
    """
    Tests of L{readFile} and L{decodeText}.
    """

    def test_hostile(self) -> None:
        """A file that is not regular, or too large, is refused at once."""
        for words in self.hostile():
            error = self.assertRaises(OSError, readFile, self.path)
            self.assertIn(words, str(error.strerror))
            if "more than" not in words:
                self.assertRaises(OSError, readStart, self.path, 9)

    def test_bound(self) -> None:
        """A file up to the limit is read; of a larger one, no more than the limit is read."""
        self.path.write_bytes(b"x" * 11)
        self.assertEqual(b"x" * 11, readFile(self.path, 11).data)
        self.assertRaises(OSError, readFile, self.path, 10)
        self.assertEqual(b"xx", readStart(self.path, 2))

    def test_growing(self) -> None:
        """The same holds for a file whose size is given as 0, as the kernel's own files have it."""
        self.assertIn(b"Pid:", readFile("/proc/self/status").data)
        self.assertRaises(OSError, readFile, "/proc/self/status", 20)

    def test_noLink(self) -> None:
        """A link is followed only if the caller allows it."""
        self.path.symlink_to("/etc/passwd")
        self.assertTrue(readFile(self.path).data)
        error = self.assertRaises(OSError, readFile, self.path, follow=False)
        self.assertEqual("it is a symbolic link", error.strerror)

    def test_exchanged(self) -> None:
        """A pipe that replaces the file after the check is not read, or waited for."""
        plain = os.stat("/etc/passwd")
        os.mkfifo(self.path, 0o600)
        for follow, words in ((True, "it is a pipe, not a file"), (False, "Too many levels of")):
            patch = self.patch(os, "stat", lambda *arguments, **more: plain)
            try:
                error = self.assertRaises(OSError, readFile, self.path, follow=follow)
            finally:
                patch.restore()
            self.assertIn(words, str(error.strerror))
            self.path.unlink()
            self.path.symlink_to("/etc/passwd")

    def test_closed(self) -> None:
        """No descriptor stays open."""
        self.path.touch()
        before = len(os.listdir("/proc/self/fd"))
        for most in (0, -1):
            try:
                readFile(self.path, most)
            except OSError:
                pass
        readStart(self.path, 1)
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))

    def test_byteOrderMark(self) -> None:
        """The byte order mark of UTF-8 is not part of the text; other encodings give a sentence."""
        self.path.write_bytes("\ufeffschön".encode())
        self.assertEqual("schön", readFile(self.path).text())
        self.path.write_bytes("schön".encode("utf-16"))
        error = self.assertRaises(ValueError, readFile(self.path).text)
        self.assertEqual("it is UTF-16: save it as UTF-8", str(error))
        error = self.assertRaises(ValueError, decodeText, b"a\nb\n\xffc17001")
        self.assertEqual("it is not UTF-8 text (line 3)", str(error))
        self.assertEqual("a\ufffd", decodeText(b"a\xff", "replace"))


class EveryFileTests(FolderTestCase):
    """
    The client and the daemon read all their files in this way.
    """

    def readers(self) -> dict[str, Callable[[], object]]:
        """Return the functions that read the file, for each kind of file."""
        path = str(self.path)
        environment = {"XDG_CONFIG_HOME": str(self.folder)}
        return {
            "configuration": lambda: readConf(path),
            "keys": lambda: readKeys(self.path),
            "hosts": lambda: readProfiles(environment),
            "identity": lambda: readKeyPair(path),
            "admin": lambda: findSocket(path),
        }

    def test_hostile(self) -> None:
        """
        No file makes a reader hang, fill the memory or fail unexpectedly; it raises a sentence.
        """
        for name, read in self.readers().items():
            if name == "hosts":
                (self.folder / "pkdoors").mkdir()
                self.path = self.folder / "pkdoors" / "hosts.toml"
            for words in self.hostile():
                began = time.monotonic()
                if name == "admin":  # the daemon continues with the earlier contents
                    read()
                elif "device" in words and name in ("keys", "configuration"):
                    self.assertRaises(PkdoorsError, read)  # or others can write it
                else:
                    self.assertIn(words, str(self.assertRaises(PkdoorsError, read)), name)
                self.assertLess(time.monotonic() - began, 30)  # a pipe would block forever
            self.path = self.folder / "file"

    def test_adminOfNoFile(self) -> None:
        """If the named file is missing, the error says so."""
        self.assertRaises(AskError, findSocket, str(self.path))

    def test_byteOrderMark(self) -> None:
        """A byte order mark is accepted, and so is CR LF."""
        (self.folder / "pkdoors").mkdir()
        for path, text in (
            (self.path, 'admin = "/x"\r\n'),
            (self.folder / "keys", publicLine(makeKey(), "anna")),
            (self.folder / "pkdoors/hosts.toml", '[hosts.home]\r\naddress = "h.example"\r\n'),
        ):
            path.write_bytes(b"\xef\xbb\xbf" + text.encode())
            path.chmod(0o600)
        self.assertEqual("/x", findSocket(str(self.path)))
        self.assertEqual('admin = "/x"\r\n', readConf(str(self.path)))
        keys, complaints = readKeys(self.folder / "keys")
        self.assertEqual((["anna"], []), ([key.comment for key in keys], complaints))
        (profile,) = readProfiles({"XDG_CONFIG_HOME": str(self.folder)}).values()
        self.assertEqual("h.example", profile.address)

    def test_complaints(self) -> None:
        """Of very many bad lines twenty kinds are reported, with the number of the others."""
        log = Log(self)
        self.path.write_text("nonsense\n" * 20_000)
        _, (complaint,) = readKeys(self.path)
        self.assertIn(f"{self.path}, line 1, and 19999 more like it: refused: ", complaint)
        line = publicLine(makeKey())
        self.path.write_text("".join(f"{'x' * n} {line}" for n in range(1, 60)))
        _, complaints = readKeys(self.path)
        self.assertEqual(21, len(complaints))
        self.assertTrue(complaints[-1].endswith(" more kinds of lines are refused"), complaints)
        self.assertEqual([], KeyFile(str(self.path)).keys())
        self.assertEqual(22, len(log.lines()))

    def test_largeToml(self) -> None:
        """A configuration of ten megabytes is refused before it is read."""
        self.path.write_text("x = 1\n" * (10 * MAX_BYTES // 6))
        self.path.chmod(0o600)
        self.assertIn(
            "it has more than",
            str(self.assertRaises(PkdoorsError, lambda: readConf(str(self.path)))),
        )


ALLOWED = {
    "files.reading": {"open"},
    # New files and folders, each created with O_EXCL or O_NOFOLLOW.
    "files.beneath": {"open", "fdopen"},
    "files.folders": {"open"},
    "files.writing": {"open", "fdopen"},
    "config.file": {"open", "fdopen"},
    "host.serviceuser": {"open"},
    "install.sharing": {"open"},
    "commands.knocking.pace": {"open"},
    # Terminals and /dev/null.
    "host.descriptors": {"open"},
    "daemon.process.signals": {"open"},
    "util.output": {"open", "fdopen"},
    "client.keys.passphrase": {"open"},
    "client.relay": {"open"},
    # Files of the package.
    "install.unitfiles": {"read_text"},
    "client.export._scripts": {"read_text"},
    "web._files": {"read_bytes"},
    # The kernel's own files, in /proc.
    "adminclient.sshorigin": {"read_text", "read_bytes"},
    "host.bootid": {"read_text"},
    "web.peers": {"read_text"},
    "host.clientaddress": {"read_text"},
    "host.gateways": {"open"},
    "host.proc": {"read_text"},
    "knockports.drops": {"read_text"},
    "firewall.netlink.kernel": {"read_text"},
    "firewall.nftables._liveflows": {"read_text"},
    "firewall.nftables.capturing": {"read_text"},
    # Files in a folder of the daemon's own, which has no links or pipes.
    "config.lastgood": {"open"},
    "daemon.notes.notesfile": {"fdopen", "open"},
}
"""Modules that open files by themselves; all others use L{pkdoors.files.reading}."""

_OPENERS = {"read_text", "read_bytes", "write_text", "write_bytes", "fdopen", "load"}


def opens(tree: ast.AST) -> Iterator[str]:
    """Yield the ways in which a module opens files: C{open}, C{os.open}, C{Path.read_text}, ..."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id == "open":
            yield "open"
        elif isinstance(called, ast.Attribute):
            of = called.value.id if isinstance(called.value, ast.Name) else ""
            if (of, called.attr) in (("os", "open"), ("io", "open"), ("tomllib", "load")):
                yield "open"
            elif called.attr in _OPENERS - {"load"}:
                yield called.attr


class OnePlaceTests(SynchronousTestCase):
    """
    No module can forget the checks for reading files.
    """

    def test_nobodyElse(self) -> None:
        """Each module that opens files by itself is listed here."""
        found = {name: set(opens(tree)) for name, tree in modules().items()}
        strange = {
            name: ways - ALLOWED.get(name, set())
            for name, ways in found.items()
            if ways - ALLOWED.get(name, set())
        }
        self.assertEqual({}, strange)

    def test_noticed(self) -> None:
        """The test notices each way to open a file."""
        for text in (
            "open(x)",
            "os.open(x, 0)",
            "Path(x).read_text()",
            "tomllib.load(x)",
            "a.b.read_bytes()",
        ):
            self.assertTrue(list(opens(ast.parse(text))), text)
        self.assertEqual([], list(opens(ast.parse("firewall.open(x); self._open()"))))


class WatchdogTests(FolderTestCase):
    """
    A file that is refused is never opened.
    """

    def test_notOpened(self) -> None:
        """No device and no pipe sees an attempt to open it."""
        opened: list[object] = []

        def note(path: object, *more: object, **others: object) -> int:
            opened.append(path)
            raise OSError("it was opened")

        for words in self.hostile():
            if words.startswith("it has"):
                continue
            patch = self.patch(os, "open", note)
            self.assertRaises(OSError, readFile, self.path)
            patch.restore()
            self.assertEqual([], opened)
