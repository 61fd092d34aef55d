"""Tests of L{pkdoors.files.folders}, and of the code that writes where others prepared the way."""

import os
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.config.file import writeConf
from pkdoors.daemon.audit import AuditFile
from pkdoors.errors import ConfigError
from pkdoors.events.event import OPENED, Event
from pkdoors.files.configured import explainNotWritable
from pkdoors.files.folders import openFolder
from pkdoors.host.serviceuser import openOwn
from tests.fakes.log import Log


class FolderTestCase(SynchronousTestCase):
    """
    A test with a folder, and another one that must stay untouched.
    """

    def setUp(self) -> None:
        """Make both folders."""
        self.top = Path(mkdtemp())
        self.addCleanup(rmtree, self.top)
        self.folder, self.away = self.top / "folder", self.top / "away"
        self.folder.mkdir()
        self.away.mkdir()

    def strangersLink(self) -> Path:
        """Make a link in the folder that belongs to somebody else and leads away."""
        if os.geteuid():
            raise SkipTest("this test gives a link away: run it as root (sudo script/test)")
        link = self.folder / "link"
        link.symlink_to(self.away)
        os.chown(link, 65_534, -1, follow_symlinks=False)
        return link


class OpenFolderTests(FolderTestCase):
    """
    Tests of L{openFolder}.
    """

    def at(self, path: str | Path) -> str:
        """Return the folder that a path leads to, and check that no descriptor stays open."""
        before = os.listdir("/proc/self/fd")
        folder = openFolder(path)
        try:
            return os.readlink(f"/proc/self/fd/{folder}")
        finally:
            os.close(folder)
            self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))

    def test_plain(self) -> None:
        """A folder is found by its path, absolute or relative, and through C{..}."""
        self.assertEqual(str(self.folder), self.at(self.folder))
        self.assertEqual(str(self.away), self.at(self.folder / ".." / "away"))
        self.assertEqual("/", self.at("/"))
        self.assertEqual(os.getcwd(), self.at(""))

    def test_ownLinks(self) -> None:
        """Our own links are followed, wherever they lead."""
        for target in (self.away, Path("../away"), Path("../folder/../away/.")):
            link = self.folder / "link"
            link.symlink_to(target)
            self.assertEqual(str(self.away), self.at(link))
            link.unlink()

    def test_circle(self) -> None:
        """A circle of links is an error, and so is a missing folder."""
        (self.folder / "a").symlink_to("b")
        (self.folder / "b").symlink_to("a")
        self.assertRaises(OSError, openFolder, self.folder / "a")
        self.assertRaises(FileNotFoundError, openFolder, self.folder / "c")

    def test_strangers(self) -> None:
        """A link that belongs to somebody else is not followed, and no descriptor stays open."""
        link = self.strangersLink()
        before = os.listdir("/proc/self/fd")
        error = self.assertRaises(PermissionError, openFolder, link)
        self.assertEqual("a link in its path belongs to another user", error.strerror)
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))


class WriterTests(FolderTestCase):
    """
    Root writes nothing through such a link.
    """

    def test_own(self) -> None:
        """The daemon creates none of its own files there."""
        path = self.strangersLink() / "file"
        self.assertRaises(PermissionError, openOwn, path, os.O_WRONLY)
        self.assertEqual([], list(self.away.iterdir()))

    def test_othersFile(self) -> None:
        """A file that belongs to somebody else is not taken for the daemon's, wherever it is."""
        path = self.folder / "file"
        path.touch()
        if os.geteuid():
            raise SkipTest("this test gives a file away: run it as root (sudo script/test)")
        os.chown(path, 65_534, -1)
        error = self.assertRaises(PermissionError, openOwn, path, os.O_WRONLY | os.O_APPEND)
        self.assertEqual("it belongs to another user", error.strerror)

    def test_audit(self) -> None:
        """The audit file is not written there, and this is logged once."""
        log = Log(self)
        audit = AuditFile(str(self.strangersLink() / "audit.jsonl"))
        audit.start()
        audit.hear(Event(OPENED, 0.0, source="192.0.2.7"))
        self.assertEqual([], list(self.away.iterdir()))
        (line,) = log.lines()
        self.assertIn("(a link in its path belongs to another user)", line)

    def test_configuration(self) -> None:
        """A new configuration is not written there."""
        path = str(self.strangersLink() / "pkdoors.toml")
        self.assertIn(
            "a link in its path belongs to another user",
            str(self.assertRaises(ConfigError, writeConf, path, "text\n")),
        )
        self.assertEqual([], list(self.away.iterdir()))

    def test_check(self) -> None:
        """C{pkdoors check} reports this for the audit file before the daemon needs it."""
        path = self.strangersLink() / "audit.jsonl"
        self.assertEqual(
            "a link in its path belongs to another user", explainNotWritable(str(path))
        )
