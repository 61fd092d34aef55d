"""Tests of L{pkdoors.files.configured} and L{pkdoors.files.access}."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.files.access import whyNotRun
from pkdoors.files.configured import whyNotWrite


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
    Tests of L{whyNotRun}.
    """

    def test_runs(self) -> None:
        """A program that is there and executable can be run."""
        self.assertEqual("", whyNotRun(self.file("tell", 0o755)))

    def test_not(self) -> None:
        """What is not there, is no file, or is not executable cannot."""
        self.assertEqual("does not exist", whyNotRun(str(self.folder / "tell")))
        self.assertEqual("is no program", whyNotRun(str(self.folder)))
        self.assertEqual("is not executable", whyNotRun(self.file("tell")))
        self.assertEqual("does not exist", whyNotRun(self.file("tell") + "/below"))


class WriteTests(FilesTestCase):
    """
    Tests of L{whyNotWrite}.
    """

    def test_writes(self) -> None:
        """A file can be written that is there, or can be made, with its folders."""
        self.assertEqual("", whyNotWrite(self.file("audit")))
        self.assertEqual("", whyNotWrite(str(self.folder / "new")))
        self.assertEqual("", whyNotWrite(str(self.folder / "new" / "folder" / "audit")))
        self.assertEqual(["audit"], os.listdir(self.folder))

    def test_not(self) -> None:
        """A folder, a link and a pipe are none, nor is what is below a file."""
        self.assertEqual("it is not a regular file", whyNotWrite(str(self.folder)))
        file = self.file("audit")
        self.assertEqual(f"{file} is no folder", whyNotWrite(f"{file}/below/audit"))
        (self.folder / "link").symlink_to(file)
        self.assertEqual("it is a symbolic link", whyNotWrite(str(self.folder / "link")))
        os.mkfifo(self.folder / "pipe")
        self.assertEqual("it is not a regular file", whyNotWrite(str(self.folder / "pipe")))

    def test_mayNot(self) -> None:
        """What root cannot write cannot be written; who is not root cannot tell."""
        self.patch(os, "access", lambda path, mode: False)
        self.patch(os, "geteuid", lambda: 0)
        file = self.file("audit")
        self.assertEqual(f"nothing can be written to {file}", whyNotWrite(file))
        folder = f"nothing can be written to {self.folder}"
        self.assertEqual(folder, whyNotWrite(f"{self.folder}/new/audit"))
        self.patch(os, "geteuid", lambda: 1000)
        self.assertRaises(PermissionError, whyNotWrite, file)
