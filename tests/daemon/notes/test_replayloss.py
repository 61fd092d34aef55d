"""Tests of L{pkdoors.daemon.notes.replayfile}: notes that cannot be trusted."""

import os
import shutil

from tests.daemon.notes.replaycase import SKEW, ReplayFileTestCase
from tests.fakes.log import Log


class LostTests(ReplayFileTestCase):
    """
    Notes that cannot be trusted.
    """

    DAMAGED = "they are damaged"
    CHANGED = "somebody changed the file, or put a copy in its place"

    def test_firstStart(self) -> None:
        """The first start has no notes: that cannot be told from their loss."""
        (line,) = self.first
        self.assertIn("cannot be trusted (they are missing)", line)

    def test_deleted(self) -> None:
        """The notes are deleted."""
        self.open("1")
        self.kill()
        self.path.unlink()
        self.start()
        self.assertLost("they are missing")

    def test_deletedAndStartedTwice(self) -> None:
        """Another start does not help; the time that has passed counts."""
        self.kill()
        self.path.unlink()
        self.start()
        self.log = Log(self)
        self.now += 20
        for _ in range(3):
            self.crash()
            self.assertTrue(self.waits())
        self.restart()
        self.assertTrue(self.waits())
        self.assertEqual([], self.log.lines())
        self.now += SKEW - 20 + 0.1
        self.assertFalse(self.waits())
        self.restart()
        self.assertKept()

    def test_deletedAndBooted(self) -> None:
        """A boot does not help, either, unless the skew had passed before."""
        for passed, isLost in ((SKEW - 1, True), (SKEW + 1, False)):
            self.kill()
            self.path.unlink()
            self.start()
            self.log = Log(self)
            self.now += passed
            self.restart(f"{self.boot}a")
            self.assertEqual(isLost, self.waits())
            self.log = Log(self)

    def test_deletedAndMoreSkew(self) -> None:
        """If a reload allows more skew, that much must have passed; less changes nothing."""
        self.kill()
        self.path.unlink()
        self.start()
        self.file.allow(10 * SKEW)
        self.file.allow(1.0)
        self.now += SKEW + 1
        self.restart("b008")
        self.assertTrue(self.waits())

    def test_cutOff(self) -> None:
        """The notes are truncated, wherever that is."""
        self.open("1", "2")
        self.kill()
        data = self.path.read_bytes()
        for at in (0, 1, 50, len(data) - 100, len(data) - 1):
            self.path.write_bytes(data[:at])
            self.start()
            self.assertTrue(self.waits())
            self.assertIn(self.DAMAGED, self.log.lines()[0])
            self.log = Log(self)
            self.kill()

    def test_cutOffAtALine(self) -> None:
        """The notes are truncated between two lines, a while after they were written."""
        self.ahead = -100.0
        self.crash()
        self.open("1", "2")
        self.kill()
        lines = self.path.read_text().splitlines(keepends=True)
        self.path.write_text("".join(lines[:-1]))
        self.start()
        self.assertLost(self.CHANGED)

    def test_garbled(self) -> None:
        """The notes are damaged."""
        for data in (b"", b"\0" * 500, os.urandom(500), b"1 notes 2 x 1 - 0\n", b"\n" * 99):
            self.kill()
            self.path.write_bytes(data)
            self.start()
            self.assertTrue(self.waits())
            self.assertIn(self.DAMAGED, self.log.lines()[0])
            self.log = Log(self)

    def test_olderCopy(self) -> None:
        """An older copy replaces them, from a backup: it is another file."""
        backup = self.folder / "backup"
        self.open("1")
        shutil.copy2(self.path, backup)
        self.open("2")
        self.kill()
        backup.replace(self.path)
        self.start()
        self.assertLost(self.CHANGED)

    def test_olderContent(self) -> None:
        """An older content is written into the file itself, later than its last line."""
        self.ahead = -100.0
        self.crash()
        backup = self.path.read_bytes()
        self.open("1")
        self.kill()
        with self.path.open("r+b") as file:
            file.truncate()
            file.write(backup)
        self.start()
        self.assertLost(self.CHANGED)

    def test_otherUser(self) -> None:
        """The file belongs to another user."""
        if os.getuid():
            return
        self.kill()
        os.chown(self.path, 65534, -1)
        self.start()
        self.assertLost("the file belongs to another user")

    def test_othersWrite(self) -> None:
        """Others can write it."""
        self.kill()
        self.path.chmod(0o620)
        self.start()
        self.assertLost("others can write the file")

    def test_link(self) -> None:
        """The file is a link, whose target is neither read nor written."""
        self.kill()
        victim = self.folder / "victim"
        self.path.rename(victim)
        before = victim.read_text()
        self.path.symlink_to(victim)
        self.start()
        self.assertLost("they cannot be opened: Too many levels of symbolic links")
        self.open("1")
        self.assertEqual(before, victim.read_text())

    def test_noFile(self) -> None:
        """It is not a file; the daemon does not wait for a FIFO."""
        self.kill()
        self.path.unlink()
        os.mkfifo(self.path)
        self.start()
        self.assertLost("it is not a regular file")

    def test_tooLong(self) -> None:
        """The file is longer than any that we write: it is not read to its end."""
        self.kill()
        with self.path.open("ab") as file:
            file.truncate(1 << 40)
        self.start()
        self.assertLost("they are too long")

    def test_crashedHost(self) -> None:
        """The host went down before the daemon had ended: perhaps not all is on the disk."""
        self.open("1")
        self.crash("b008")
        self.assertLost("this host went down, or was copied, before the daemon ended")

    def test_otherClock(self) -> None:
        """The clock that must not jump has jumped."""
        self.kill()
        self.path.unlink()
        self.start()
        self.kill()
        self.log = Log(self)
        self.now -= 500
        self.start()
        self.assertLost("their clock is not this one")

    def test_twoDaemons(self) -> None:
        """Another daemon uses the file: it continues, and this one waits after each start."""
        self.open("1")
        first, known = self.file, self.seen
        self.start()
        self.assertLost(
            "another daemon uses them: give each daemon a configuration file of its own"
        )
        self.open("2")
        self.file.close()
        self.file, self.seen = first, known
        self.open("3")
        self.restart()
        self.assertKept("1", "3")
        self.assertEqual([False], self.has("2"))
