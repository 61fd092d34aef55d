"""Tests of L{pkdoors.files.writing}."""

import os
import stat
from pathlib import Path
from threading import Thread

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.files.writing import lockFolder, replaceFile, writeNew


class WritingTestCase(SynchronousTestCase):
    """A test with a folder, and a mask that hides nothing."""

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.file = self.folder / "file"
        self.addCleanup(os.umask, os.umask(0))

    def names(self) -> list[str]:
        """Return the names in the folder."""
        return sorted(os.listdir(self.folder))

    def assertPrivate(self, path: Path) -> None:
        """Assert that only its owner can read and write a file."""
        self.assertEqual(0o600, stat.S_IMODE(path.lstat().st_mode))

    def fail_(self, name: str) -> None:
        """Let a function of the system fail."""

        def fail(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        self.patch(os, name, fail)


class NewTests(WritingTestCase):
    """
    Tests of L{writeNew}.
    """

    def test_private(self) -> None:
        """Only the owner can read what is written."""
        writeNew(str(self.file), b"secret\n")
        self.assertPrivate(self.file)
        self.assertEqual(b"secret\n", self.file.read_bytes())

    def test_there(self) -> None:
        """A file that exists stays; so does what a link points to."""
        self.file.write_text("mine")
        link = self.folder / "link"
        link.symlink_to(self.folder / "elsewhere")
        for path in (self.file, link):
            self.assertRaises(FileExistsError, writeNew, str(path), b"x")
        self.assertEqual("mine", self.file.read_text())
        self.assertEqual(["file", "link"], self.names())

    def test_full(self) -> None:
        """On a full disk nothing is left."""
        real = os.open

        def openFull(path: str, *more: int) -> int:
            os.close(real(path, *more))
            return real("/dev/full", os.O_WRONLY)

        self.patch(os, "open", openFull)
        self.assertRaises(OSError, writeNew, str(self.file), b"x")
        self.assertEqual([], self.names())


class ReplaceTests(WritingTestCase):
    """
    Tests of L{replaceFile}.
    """

    def test_replaced(self) -> None:
        """The file is new or another one, and always private."""
        for contents in (b"one", b"two"):
            replaceFile(self.file, contents)
            self.assertPrivate(self.file)
            self.assertEqual(contents, self.file.read_bytes())
        self.assertEqual(["file"], self.names())

    def test_link(self) -> None:
        """A link stays a link: people keep their files elsewhere, and link to them."""
        target = self.folder / "target"
        target.write_text("old")
        self.file.symlink_to("target")
        replaceFile(self.file, b"new")
        self.assertTrue(self.file.is_symlink())
        self.assertEqual(b"new", target.read_bytes())
        self.assertPrivate(target)
        self.assertEqual(["file", "target"], self.names())

    def test_failed(self) -> None:
        """If a step fails, the old file is there, and nothing else."""
        self.file.write_text("old")
        for step in ("fsync", "replace"):
            with self.subTest(step):
                self.fail_(step)
                self.assertRaises(OSError, replaceFile, self.file, b"new")
                self.assertEqual((["file"], "old"), (self.names(), self.file.read_text()))


class LockTests(WritingTestCase):
    """
    Tests of L{lockFolder}.
    """

    def test_one(self) -> None:
        """Nobody else is in the folder meanwhile."""
        count = 0

        def increase() -> None:
            nonlocal count
            for _ in range(50):
                with lockFolder(self.folder):
                    before = count
                    Path(self.folder / "x").touch()  # lets another thread run
                    count = before + 1

        threads = [Thread(target=increase) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(200, count)
