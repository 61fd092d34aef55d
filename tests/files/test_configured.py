"""Tests of L{pkdoors.files.configured} and L{pkdoors.files.access}."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.files.access import explainNotRunnable
from pkdoors.files.configured import explainNotWritable


class FilesTestCase(SynchronousTestCase):
    """
    A test with a folder.
    """

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def file(self, name: str, mode: int = 0o644) -> str:
        """Make a file, and return its path."""
        path = self.folder / name
        path.touch()
        path.chmod(mode)
        return str(path)


class RunTests(FilesTestCase):
    """
    Tests of L{explainNotRunnable}.
    """

    def test_runs(self) -> None:
        """A program that exists and is executable can run."""
        self.assertEqual("", explainNotRunnable(self.file("tell", 0o755)))

    def test_not(self) -> None:
        """A missing file, a folder and a file that is not executable cannot run."""
        self.assertEqual("does not exist", explainNotRunnable(str(self.folder / "tell")))
        self.assertEqual("is not a file", explainNotRunnable(str(self.folder)))
        self.assertEqual("is not executable", explainNotRunnable(self.file("tell")))
        self.assertEqual("does not exist", explainNotRunnable(self.file("tell") + "/below"))


class WriteTests(FilesTestCase):
    """
    Tests of L{explainNotWritable}.
    """

    def test_full(self) -> None:
        """On a full disk nothing can be written: no block, or no further file."""
        new, old = str(self.folder / "new"), self.file("old")
        blocks = (4096, 4096, 10, 1, 0, 10, 5, 5, 0, 255)
        files = (4096, 4096, 10, 1, 1, 10, 0, 0, 0, 255)
        for numbers, path, reason in (
            (blocks, new, "No space left on device"),
            (blocks, old, "No space left on device"),
            (files, new, "the file system has no room for another file"),
            (files, old, ""),
        ):
            self.patch(os, "statvfs", lambda path, found=numbers: os.statvfs_result(found))
            self.assertEqual(reason, explainNotWritable(path))

    def test_writes(self) -> None:
        """A file that exists can be written, and so can a new one, with its folders."""
        self.assertEqual("", explainNotWritable(self.file("audit")))
        self.assertEqual("", explainNotWritable(str(self.folder / "new")))
        self.assertEqual("", explainNotWritable(str(self.folder / "new" / "folder" / "audit")))
        self.assertEqual(["audit"], os.listdir(self.folder))

    def test_not(self) -> None:
        """A folder, a link, a pipe and a path below a file cannot be written."""
        self.assertEqual("it is not a regular file", explainNotWritable(str(self.folder)))
        file = self.file("audit")
        self.assertEqual(f"{file} is not a folder", explainNotWritable(f"{file}/below/audit"))
        (self.folder / "link").symlink_to(file)
        self.assertEqual("it is a symbolic link", explainNotWritable(str(self.folder / "link")))
        os.mkfifo(self.folder / "pipe")
        self.assertEqual("it is not a regular file", explainNotWritable(str(self.folder / "pipe")))

    def test_mayNot(self) -> None:
        """Root sees what cannot be written; other users cannot find out."""
        self.patch(os, "access", lambda path, mode: False)
        self.patch(os, "geteuid", lambda: 0)
        file = self.file("audit")
        self.assertEqual(f"{file} is not writable", explainNotWritable(file))
        folder = f"{self.folder} is not writable"
        self.assertEqual(folder, explainNotWritable(f"{self.folder}/new/audit"))
        self.patch(os, "geteuid", lambda: 1000)
        self.assertRaises(PermissionError, explainNotWritable, file)
