"""Tests of L{pkdoors.daemon.notes.replayfile}: a file that cannot be written."""

import os

from twisted.logger import LogLevel

from pkdoors.daemon.notes import notesfile, replayfile
from tests.daemon.notes.replaycase import ReplayFileTestCase
from tests.fakes.log import Log


class UnwritableTests(ReplayFileTestCase):
    """
    The file cannot be written.
    """

    def test_noFolder(self) -> None:
        """A folder that cannot be made is one warning; nothing is raised, then or later."""
        self.kill()
        (self.folder / "in the way").write_text("")
        self.path = self.folder / "in the way" / "lib" / "x.seen"
        self.start()
        self.open("1")
        self.assertLost("they cannot be opened: Not a directory")

    def test_folder(self) -> None:
        """A folder cannot be replaced by a file."""
        self.kill()
        self.path.unlink()
        self.path.mkdir()
        self.start()
        self.assertTrue(self.waits())
        self.open("1", "2")
        self.assertEqual(["warn", "warn"], self.log.levels())

    def test_diskFull(self) -> None:
        """
        A full disk is one warning, however many knocks come, and nothing is raised. The next daemon
        does not take a file for whole that lacks them.
        """
        full = os.open("/dev/full", os.O_WRONLY)
        file, self.file._notes._file = self.file._notes._file, full
        assert file is not None
        self.patch(notesfile, "openOwn", self.fail_)
        os.ftruncate(file, 0)  # as it is done to the file that cannot be written
        for number in range(9):
            self.open(f"{number}")
        (line,) = self.log.lines(LogLevel.warn)
        self.assertIn(f"cannot write {self.path} (No space left on device): after a res", line)
        os.close(file)

    def test_endUnwritten(self) -> None:
        """
        An end that may not have reached the disk is not an end, and blocks nothing: the next daemon
        does not trust the file.
        """
        self.open("1")

        def fail(file: int) -> None:
            raise OSError(5, "Input/output error")

        patch = self.patch(os, "fsync", fail)
        self.file.close()
        patch.restore()
        (line,) = self.log.lines(LogLevel.warn)
        self.assertIn(f"cannot write {self.path} (Input/output error)", line)
        self.start()
        self.assertTrue(self.waits())

    def fail_(self, path: object, flags: int) -> int:
        """Nothing can be written."""
        raise OSError(28, "No space left on device")

    def test_spoilt(self) -> None:
        """If a line cannot be written, all others are discarded, and written again later."""
        self.open("1")
        write, count = notesfile._writeAll, iter([False, True, True])

        def writeAll(file: int, lines: object) -> None:
            if not next(count):
                raise OSError(28, "No space left on device")
            write(file, lines)  # type: ignore[arg-type]

        self.patch(notesfile, "_writeAll", writeAll)
        self.open("2")
        self.assertEqual(0, self.path.stat().st_size)
        self.open("3")
        self.patch(notesfile, "_writeAll", write)
        self.assertEqual(["warn"], self.log.levels())
        self.log = Log(self)
        self.crash()
        self.assertKept("1", "2", "3")

    def test_notMadeAnew(self) -> None:
        """If the file cannot be written again, the old one, which lacks lines, is emptied."""
        self.patch(replayfile, "MAX_LINES", 2)
        self.open("1", "2")
        patch = self.patch(notesfile, "openOwn", self.fail_)
        self.open("3")
        patch.restore()
        self.assertEqual(["warn"], self.log.levels())
        self.log = Log(self)
        self.crash()
        self.assertLost("they are damaged, or of another version")

    def test_halfALine(self) -> None:
        """A line that fits on the disk only in part counts as one that cannot be written."""
        write = os.write
        patch = self.patch(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        self.open("1")
        patch.restore()
        (line,) = self.log.lines()
        self.assertIn(f"cannot write {self.path} (No space left on device)", line)
        self.assertEqual(0, self.path.stat().st_size)

    def test_failsAgain(self) -> None:
        """A second failure, after a success, is a second warning."""
        for nonces in (("1", "2"), ("3", "4")):
            patch = self.patch(notesfile, "_writeAll", self.fail_)
            self.open(*nonces)
            patch.restore()
            self.open(f"a{nonces[0]}")
        self.assertEqual(["warn", "warn"], self.log.levels())

    def test_link(self) -> None:
        """A link in place of the new file is not followed."""
        victim = self.folder / "victim"
        victim.write_text("precious")
        self.file.close()
        self.path.with_suffix(".seen.new").symlink_to(victim)
        self.start()
        self.assertIn("(Too many levels of symbolic links)", self.log.lines()[0])
        self.assertTrue(self.waits())
        self.assertEqual("precious", victim.read_text())
