"""Tests of L{pkdoors.files.folders}, and of those who write where others prepared the way."""

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
    With a folder, and another one that is nobody's business.
    """

    def setUp(self) -> None:
        """Make both."""
        self.top = Path(mkdtemp())
        self.addCleanup(rmtree, self.top)
        self.folder, self.away = self.top / "folder", self.top / "away"
        self.folder.mkdir()
        self.away.mkdir()

    def strangersLink(self) -> Path:
        """A link in the folder, made by somebody else, that leads away."""
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
        """Which folder is found there; no descriptor is left open."""
        before = os.listdir("/proc/self/fd")
        folder = openFolder(path)
        try:
            return os.readlink(f"/proc/self/fd/{folder}")
        finally:
            os.close(folder)
            self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))

    def test_plain(self) -> None:
        """A folder is found by its path, whole or not, also over C{..}."""
        self.assertEqual(str(self.folder), self.at(self.folder))
        self.assertEqual(str(self.away), self.at(self.folder / ".." / "away"))
        self.assertEqual("/", self.at("/"))
        self.assertEqual(os.getcwd(), self.at(""))

    def test_ownLinks(self) -> None:
        """Links of our own are followed, wherever they lead."""
        for target in (self.away, Path("../away"), Path("../folder/../away/.")):
            link = self.folder / "link"
            link.symlink_to(target)
            self.assertEqual(str(self.away), self.at(link))
            link.unlink()

    def test_circle(self) -> None:
        """A circle of links is an error, and so is what is not there."""
        (self.folder / "a").symlink_to("b")
        (self.folder / "b").symlink_to("a")
        self.assertRaises(OSError, openFolder, self.folder / "a")
        self.assertRaises(FileNotFoundError, openFolder, self.folder / "c")

    def test_strangers(self) -> None:
        """A link of somebody else's is not followed, and nothing is left open."""
        link = self.strangersLink()
        before = os.listdir("/proc/self/fd")
        error = self.assertRaises(PermissionError, openFolder, link)
        self.assertEqual("a link on the way to it belongs to another user", error.strerror)
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))


class WriterTests(FolderTestCase):
    """
    Whatever root writes, it does not do so through such a link.
    """

    def test_own(self) -> None:
        """No file of the daemon's own is made there."""
        path = self.strangersLink() / "file"
        self.assertRaises(PermissionError, openOwn, path, os.O_WRONLY)
        self.assertEqual([], list(self.away.iterdir()))

    def test_othersFile(self) -> None:
        """A file of somebody else's is none of the daemon's, wherever it is."""
        path = self.folder / "file"
        path.touch()
        if os.geteuid():
            raise SkipTest("this test gives a file away: run it as root (sudo script/test)")
        os.chown(path, 65_534, -1)
        error = self.assertRaises(PermissionError, openOwn, path, os.O_WRONLY | os.O_APPEND)
        self.assertEqual("it belongs to another user", error.strerror)

    def test_audit(self) -> None:
        """Nor the audit file, and that is told once."""
        log = Log(self)
        audit = AuditFile(str(self.strangersLink() / "audit.jsonl"))
        audit.start()
        audit.hear(Event(OPENED, 0.0, source="192.0.2.7"))
        self.assertEqual([], list(self.away.iterdir()))
        (line,) = log.lines()
        self.assertIn("(a link on the way to it belongs to another user)", line)

    def test_configuration(self) -> None:
        """Nor a new configuration."""
        path = str(self.strangersLink() / "pkdoors.toml")
        self.assertIn(
            "a link on the way to it belongs to another user",
            str(self.assertRaises(ConfigError, writeConf, path, "text\n")),
        )
        self.assertEqual([], list(self.away.iterdir()))

    def test_check(self) -> None:
        """The check finds that for the audit file, before it is needed."""
        path = self.strangersLink() / "audit.jsonl"
        self.assertEqual(
            "a link on the way to it belongs to another user", explainNotWritable(str(path))
        )
