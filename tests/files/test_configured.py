"""Tests of L{pkdoors.files.configured} and L{pkdoors.files.access}."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.files.access import explainNotRunnable
from pkdoors.files.configured import explainNotWritable


class FilesTestCase(SynchronousTestCase):
    """
    With a folder.
    """

    def setUp(self) -> None:
        """Make it."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def file(self, name: str, mode: int = 0o644) -> str:
        """A file."""
        path = self.folder / name
        path.touch()
        path.chmod(mode)
        return str(path)


class RunTests(FilesTestCase):
    """
    Tests of L{explainNotRunnable}.
    """

    def test_runs(self) -> None:
        """A program that is there and executable can be run."""
        self.assertEqual("", explainNotRunnable(self.file("tell", 0o755)))

    def test_not(self) -> None:
        """What is not there, is no file, or is not executable cannot."""
        self.assertEqual("does not exist", explainNotRunnable(str(self.folder / "tell")))
        self.assertEqual("is no program", explainNotRunnable(str(self.folder)))
        self.assertEqual("is not executable", explainNotRunnable(self.file("tell")))
        self.assertEqual("does not exist", explainNotRunnable(self.file("tell") + "/below"))


class WriteTests(FilesTestCase):
    """
    Tests of L{explainNotWritable}.
    """

    def test_writes(self) -> None:
        """A file can be written that is there, or can be made, with its folders."""
        self.assertEqual("", explainNotWritable(self.file("audit")))
        self.assertEqual("", explainNotWritable(str(self.folder / "new")))
        self.assertEqual("", explainNotWritable(str(self.folder / "new" / "folder" / "audit")))
        self.assertEqual(["audit"], os.listdir(self.folder))

    def test_not(self) -> None:
        """A folder, a link and a pipe are none, nor is what is below a file."""
        self.assertEqual("it is not a regular file", explainNotWritable(str(self.folder)))
        file = self.file("audit")
        self.assertEqual(f"{file} is no folder", explainNotWritable(f"{file}/below/audit"))
        (self.folder / "link").symlink_to(file)
        self.assertEqual("it is a symbolic link", explainNotWritable(str(self.folder / "link")))
        os.mkfifo(self.folder / "pipe")
        self.assertEqual("it is not a regular file", explainNotWritable(str(self.folder / "pipe")))

    def test_mayNot(self) -> None:
        """What root cannot write cannot be written; who is not root cannot tell."""
        self.patch(os, "access", lambda path, mode: False)
        self.patch(os, "geteuid", lambda: 0)
        file = self.file("audit")
        self.assertEqual(f"nothing can be written to {file}", explainNotWritable(file))
        folder = f"nothing can be written to {self.folder}"
        self.assertEqual(folder, explainNotWritable(f"{self.folder}/new/audit"))
        self.patch(os, "geteuid", lambda: 1000)
        self.assertRaises(PermissionError, explainNotWritable, file)
