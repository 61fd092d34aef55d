"""Tests of L{pkdoors.daemon.process.logfile}."""

import os
from pathlib import Path

from twisted.logger import LogLevel
from twisted.python.logfile import LogFile
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.process import logfile
from pkdoors.daemon.process.logfile import LogReopener, openLogFile
from pkdoors.errors import ConfigError
from tests.fakes.log import Log


class LogFileTests(SynchronousTestCase):
    """Tests of L{openLogFile}."""

    def setUp(self) -> None:
        """Make a folder, and let a new file be readable by others unless somebody sees to it."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "pkdoors.log"
        self.addCleanup(os.umask, os.umask(0))

    def open(self) -> LogFile:
        """Open the file."""
        file = openLogFile(str(self.path))
        self.addCleanup(lambda: file.closed or file.close())
        return file

    def modes(self) -> dict[str, int]:
        """Return the modes of all files in the folder."""
        return {each.name: each.stat().st_mode & 0o7777 for each in self.folder.iterdir()}

    def refused(self) -> str:
        """Return why the file is refused."""
        return str(self.assertRaises(ConfigError, self.open))

    def test_private(self) -> None:
        """Nobody else can read it, nor the files into which it is rotated; ten are kept."""
        self.patch(logfile, "SIZE", 10)
        file = self.open()
        self.assertEqual({"pkdoors.log": 0o600}, self.modes())
        for _ in range(13):
            file.write("more than ten bytes\n")
        names = ["pkdoors.log", *(f"pkdoors.log.{number}" for number in range(1, 11))]
        self.assertEqual(dict.fromkeys(names, 0o600), self.modes())

    def test_existing(self) -> None:
        """A file that others could read until now is continued, and private."""
        self.path.write_text("before\n")
        self.open().write("after\n")
        self.assertEqual("before\nafter\n", self.path.read_text())
        self.assertEqual({"pkdoors.log": 0o600}, self.modes())

    def test_othersFolder(self) -> None:
        """A folder that others can write is refused, also a sticky one such as /tmp."""
        for mode in (0o777, 0o1777, 0o770):
            self.folder.chmod(mode)
            self.assertIn(f"others can write to {self.folder}", self.refused())
        self.assertEqual({}, self.modes())

    def test_link(self) -> None:
        """A link is not followed."""
        target = self.folder / "target"
        target.write_text("precious\n")
        self.path.symlink_to(target)
        self.assertIn(f"cannot write {self.path}", self.refused())
        self.assertEqual("precious\n", target.read_text())

    def test_noFolder(self) -> None:
        """Without its folder, the line says so."""
        self.folder.rmdir()
        self.assertEqual(
            f"--logfile: cannot write {self.path}: No such file or directory", self.refused()
        )

    def test_reopen(self) -> None:
        """If somebody has moved it away, a new one begins at the next reload."""
        file = self.open()
        file.write("one\n")
        self.path.rename(self.folder / "old")
        LogReopener(file).reopen()
        file.write("two\n")
        self.assertEqual("one\n", (self.folder / "old").read_text())
        self.assertEqual("two\n", self.path.read_text())
        self.assertEqual({"pkdoors.log": 0o600, "old": 0o600}, self.modes())

    def test_notReopened(self) -> None:
        """If a new one cannot begin, the log goes on in the old one, and says so."""
        log = Log(self)
        file = self.open()
        away = self.folder.with_name("away")
        self.addCleanup(away.rename, self.folder)
        self.folder.rename(away)
        LogReopener(file).reopen()
        file.write("two\n")
        self.assertEqual("two\n", (away / "pkdoors.log").read_text())
        (line,) = log.lines(LogLevel.warn)
        self.assertIn("the log goes on in the file that had that name", line)
