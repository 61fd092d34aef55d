"""Tests of L{pkdoors.daemon.notes.replaycare}: notes while no daemon runs."""

import os

from pkdoors.daemon.notes.replaycare import beginNotes, keepNotes
from tests.daemon.notes.replaycase import ReplayFileTestCase
from tests.fakes.log import Log


class BeginTests(ReplayFileTestCase):
    """
    Tests of L{beginNotes}.
    """

    def begin(self) -> None:
        """Begin notes where the daemon looks for them."""
        beginNotes("/etc/pkdoors/pkdoors.toml", lambda configuration: self.path)

    def test_firstStart(self) -> None:
        """The first daemon of a new configuration trusts them, and hears sealed knocks at once."""
        self.file.close()
        self.path = self.folder / "fedcba9876543210.seen"
        self.begin()
        for boot in ("b007", "b008"):  # also if the host boots before it starts
            self.boot, self.log = boot, Log(self)
            self.start()
            self.assertEqual([], self.log.lines())
            self.file.close()

    def test_missing(self) -> None:
        """Without them it would refuse sealed knocks."""
        self.assertEqual(1, len(self.first))
        self.assertIn("they are missing", self.first[0])

    def test_others(self) -> None:
        """What earlier daemons noted stays, and so does what nobody can trust."""
        self.open("1")
        self.file.close()
        self.begin()
        self.restart()
        self.assertKept("1")
        self.file.close()
        self.path.write_text("nothing that counts")
        self.begin()
        self.assertEqual("nothing that counts", self.path.read_text())

    def test_running(self) -> None:
        """A daemon that is about to write its notes goes on."""
        self.path.unlink()
        self.begin()
        self.assertFalse(self.path.exists())

    def test_fails(self) -> None:
        """A folder that cannot be used is not worth a word."""
        self.file.close()
        self.path = self.folder / "file" / "folder" / "x.seen"
        (self.folder / "file").write_text("")
        self.begin()


class KeepTests(ReplayFileTestCase):
    """
    Tests of L{keepNotes}.
    """

    def change(self) -> None:
        """Change the owner of the file."""
        status = self.path.stat()
        with keepNotes(self.folder):
            os.chown(self.path, status.st_uid, status.st_gid)

    def test_kept(self) -> None:
        """They are written again, after the change, so the next daemon trusts them."""
        self.open("1")
        self.file.close()
        before = self.path.stat().st_ino
        self.change()
        self.assertNotEqual(before, self.path.stat().st_ino)
        self.start()
        self.assertKept("1")

    def test_notTrusted(self) -> None:
        """Notes that nobody can trust do not become trusted."""
        self.open("1")
        self.kill()
        text = self.path.read_text()
        self.path.write_text(text[:-10])
        self.change()
        self.assertEqual(text[:-10], self.path.read_text())

    def test_incomplete(self) -> None:
        """Nor do those of a daemon that did not know all, and was killed."""
        self.path.unlink()
        self.crash()
        self.crash()
        before = self.path.read_text()
        self.kill()
        self.change()
        self.assertEqual(before, self.path.read_text())

    def test_running(self) -> None:
        """Those of a running daemon stay with it."""
        before = self.path.stat().st_ino
        self.change()
        self.assertEqual(before, self.path.stat().st_ino)
        self.open("1")
        self.crash()
        self.assertKept("1")
