"""Tests of L{pkdoors.seals.seenfile}."""

import os
from pathlib import Path

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.seals import seenfile
from pkdoors.seals import seenfile as seenfileModule
from pkdoors.seals.seen import Seen
from pkdoors.seals.seenfile import SeenFile
from tests.fakes import Log


def name(number: int) -> str:
    """The name of a knock."""
    return f"{number:032x}"


class SeenFileTests(SynchronousTestCase):
    """
    Tests of L{SeenFile}.
    """

    def setUp(self) -> None:
        """Have a file in a folder that is not there yet."""
        self.log = Log(self)
        self.path = Path(self.mktemp()) / "run" / "4026531840.seen"
        self.path.parent.parent.mkdir()
        self.file, before = self.restart()
        self.assertEqual([], before)

    def restart(self) -> tuple[SeenFile, list[tuple[str, int]]]:
        """The next daemon, and what it learns."""
        file = SeenFile(self.path)
        self.addCleanup(file.close)
        return file, file.load()

    def lines(self) -> list[str]:
        """What is in the file."""
        return self.path.read_text().splitlines()

    def test_private(self) -> None:
        """The file is made at start, and nobody else can read it."""
        modes = [oct(each.stat().st_mode & 0o777) for each in (self.path.parent, self.path)]
        self.assertEqual(["0o700", "0o600"], modes)
        self.assertEqual([self.path], list(self.path.parent.iterdir()))

    def test_restart(self) -> None:
        """What one daemon notes the next one learns, in that order, however the first ended."""
        for number in (3, 1, 2):
            self.file.note(name(number), 1000 + number)
        expected = [(name(number), 1000 + number) for number in (3, 1, 2)]
        self.assertEqual(expected, self.restart()[1])

    def test_everyRestart(self) -> None:
        """So does the one after, though the one between noted nothing."""
        self.file.note(name(1), 1001)
        self.restart()
        between, _ = self.restart()
        between.note(name(2), 1002)
        self.assertEqual([(name(1), 1001), (name(2), 1002)], self.restart()[1])

    def test_atOnce(self) -> None:
        """Each is in the file when it was noted, not later."""
        self.file.note(name(1), 1001)
        self.assertEqual([f"{name(1)} 1001"], self.lines())

    def test_seen(self) -> None:
        """It fits what remembers: a knock stamped ahead is refused after a restart, too."""
        Seen(1.0, self.file.note).add(b"key", "0a", 99_000)
        later = Seen(2.0, lambda name, stamp: None)
        later.load(self.restart()[1])
        self.assertTrue(later.has(b"key", "0a"))

    def test_torn(self) -> None:
        """A last line that was not written to its end is no line, and spoils no other."""
        whole = f"{name(1)} 1001\n"
        for cut in range(len(whole) - 1):
            self.path.write_text(whole + f"{name(2)} 1002\n"[:cut])
            file, before = self.restart()
            self.assertEqual([(name(1), 1001)], before, cut)
            file.note(name(3), 1003)
            self.assertEqual([f"{name(1)} 1001", f"{name(3)} 1003"], self.lines(), cut)

    def test_nonsense(self) -> None:
        """Lines that are none are left out, whatever is in them."""
        good = f"{name(1)} 1001\n".encode()
        for line in (b"\xff\0", b"x 1", b"0" * 33 + b" 1", name(2).encode(), good[:-1] + b" x"):
            self.path.write_bytes(line + b"\n" + good + good[1:] + b" " + good)
            self.assertEqual([(name(1), 1001)], self.restart()[1], line)
        self.path.write_bytes(name(1).encode() + b" " + 16 * b"9")
        self.assertEqual([], self.restart()[1])

    def test_bound(self) -> None:
        """The file is made anew before it has twice as many as are kept; those are the newest."""
        self.patch(seenfileModule, "KEPT", 4)
        self.file, _ = self.restart()
        for number in range(50):
            self.file.note(name(number), number)
            self.assertLess(len(self.lines()), 8)
            self.assertEqual(f"{name(number)} {number}", self.lines()[-1])
        self.assertEqual([(name(number), number) for number in range(46, 50)], self.restart()[1])
        self.assertEqual([self.path], list(self.path.parent.iterdir()))

    def test_boundAfterRestart(self) -> None:
        """What an earlier daemon left counts for that bound."""
        self.patch(seenfileModule, "KEPT", 4)
        for restart in range(3):
            self.file, _ = self.restart()
            for number in range(7):
                self.file.note(name(number), 10 * restart + number)
                self.assertLess(len(self.lines()), 8)

    def test_seldomMadeAnew(self) -> None:
        """Between, it is the same file that grows: one write for each knock."""
        self.patch(seenfileModule, "KEPT", 100)
        self.file, _ = self.restart()
        before = self.path.stat().st_ino
        for number in range(199):
            self.file.note(name(number), number)
        self.assertEqual((before, 199), (self.path.stat().st_ino, len(self.lines())))

    def test_leftOver(self) -> None:
        """What a daemon left that ended while it made the file anew is not taken for it."""
        self.path.with_suffix(".new").write_text(f"{name(1)} 1001\n" * 9)
        self.file, before = self.restart()
        self.file.note(name(2), 1002)
        self.assertEqual(([], [f"{name(2)} 1002"]), (before, self.lines()))

    def test_loadBound(self) -> None:
        """Of a file with more than are kept the newest are learnt."""
        self.path.write_text("".join(f"{name(number)} {number}\n" for number in range(5000)))
        _, before = self.restart()
        self.assertEqual((4096, name(4999)), (len(before), before[-1][0]))
        self.assertEqual(4096, len(self.lines()))

    def test_closed(self) -> None:
        """Once closed, or not begun yet, it writes nothing."""
        self.file.close()
        self.file.note(name(1), 1001)
        SeenFile(self.path).note(name(2), 1002)
        self.file.close()
        self.assertEqual([], self.lines())

    def test_quiet(self) -> None:
        """Where all is well nothing is logged."""
        self.file.note(name(1), 1001)
        self.restart()
        self.assertEqual([], self.log.lines())


class UnwritableTests(SynchronousTestCase):
    """
    Where the file cannot be written.
    """

    def setUp(self) -> None:
        """Have a folder."""
        self.log = Log(self)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def make(self, path: Path) -> SeenFile:
        """A file there."""
        file = SeenFile(path)
        self.addCleanup(file.close)
        return file

    def test_noFolder(self) -> None:
        """A folder that cannot be made is one warning; nothing is raised, then or later."""
        (self.folder / "in the way").write_text("")
        path = self.folder / "in the way" / "run" / "x.seen"
        file = self.make(path)
        self.assertEqual([], file.load())
        file.note(name(1), 1001)
        (line,) = self.log.lines(LogLevel.warn)
        self.assertTrue(line.startswith(f"cannot write {path} (Not a directory): a sealed "), line)

    def test_unreadable(self) -> None:
        """What is no file is as good as none, but cannot be replaced either."""
        (self.folder / "x.seen").mkdir()
        self.assertEqual([], self.make(self.folder / "x.seen").load())
        self.assertEqual(["warn"], self.log.levels())

    def test_diskFull(self) -> None:
        """A full disk is one warning, however many knocks come, and nothing is raised."""
        self.patch(seenfile, "openOwn", lambda path, flags: os.open("/dev/full", os.O_WRONLY))
        file = self.make(self.folder / "x.seen")
        file.load()
        for number in range(9):
            file.note(name(number), 1001)
        (line,) = self.log.lines()
        self.assertIn("(No space left on device)", line)

    def test_link(self) -> None:
        """A link that somebody put in its place is not followed: that is a warning, too."""
        (self.folder / "victim").write_text("precious\n")
        (self.folder / "x.new").symlink_to("victim")
        self.make(self.folder / "x.seen").load()
        self.assertIn("(Too many levels of symbolic links)", self.log.lines()[0])
        self.assertEqual("precious\n", (self.folder / "victim").read_text())
