"""Tests of L{pkdoors.daemon.notes.replayfile}: what the next daemon knows."""

import os
from pathlib import Path

from pkdoors.daemon.notes import replayfile
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.locks.sealed.replays import Notes
from tests.daemon.notes.replaycase import LATER, ReplayFileTestCase
from tests.fakes.log import Log


class RestartTests(ReplayFileTestCase):
    """
    What one daemon saw, the next one knows.
    """

    def test_private(self) -> None:
        """Nobody else can read the file, or look into its folder."""
        self.assertEqual(
            ["0o700", "0o600", "0o600"],
            [oct(each.stat().st_mode & 0o777) for each in (self.folder, *self.folder.iterdir())],
        )

    def test_restart(self) -> None:
        """The next daemon knows after an orderly end."""
        self.open("1", "2")
        self.restart()
        self.assertKept("1", "2")
        self.assertEqual([False], self.has("3"))

    def test_everyRestart(self) -> None:
        """The one after that knows, too, even if the one between saw nothing."""
        self.open("1")
        self.restart()
        self.restart()
        self.open("2")
        self.restart()
        self.assertKept("1", "2")

    def test_killed(self) -> None:
        """
        The next daemon knows after a kill, too: each knock is in the file before it opens anything.
        """
        self.open("1", "2")
        self.crash()
        self.assertKept("1", "2")
        self.crash()
        self.assertKept("1", "2")

    def test_boot(self) -> None:
        """The next daemon knows after a boot, if the daemon had ended in order."""
        self.open("1")
        self.now = 5.0
        self.restart("b008")
        self.assertKept("1")

    def test_otherNamespace(self) -> None:
        """Nothing depends on the network namespace: only the caller chooses the name."""
        self.open("1")
        self.assertEqual({self.path, self.path.with_suffix(".lock")}, set(self.folder.iterdir()))

    def test_forgotten(self) -> None:
        """A knock that was forgotten is refused by the next daemon, too."""
        self.seen.learn(Notes({"f" * 32: 17}))
        self.file._replace()
        self.restart()
        self.assertEqual({"f" * 32: 17}, self.seen.makeNotes().forgotten)

    def test_clockSetBack(self) -> None:
        """
        Wherever the clock is set before the next start, the next daemon knows what opened
        something.
        """
        for ahead in (-1e6, 1e6):
            self.file.close()
            self.path = self.folder / f"{ahead}.seen"
            self.ahead = 0.0
            self.start()
            self.open("1")
            self.now += LATER
            self.kill()
            self.ahead = ahead
            self.log = Log(self)
            self.start()
            self.assertKept("1")

    def test_bound(self) -> None:
        """The file is written again now and then, and has no more lines than it needs."""
        self.patch(replayfile, "MAX_LINES", 8)
        numbers = set()
        for number in range(50):
            self.open(f"{number:x}")
            numbers.add(self.path.stat().st_ino)
            lines = self.path.read_text().splitlines()
            self.assertLess(len(lines), 1 + number + 10)
        self.assertGreater(len(numbers), 1)
        self.assertLess(len(numbers), 10)
        self.restart()
        self.assertKept(*(f"{number:x}" for number in range(50)))

    def test_onDisk(self) -> None:
        """An orderly end is on the disk before it counts, and so is what comes after it."""
        synced: list[str] = []

        def sync(file: int) -> None:
            where = os.readlink(f"/proc/self/fd/{file}").removeprefix(f"{self.folder}")
            synced.append(f"{where} {os.fstat(file).st_size > 0 and where and last(file)}")

        def last(file: int) -> str:
            return Path(f"/proc/self/fd/{file}").read_text().splitlines()[-1].split()[1]

        self.patch(os, "fsync", sync)
        self.restart()
        name = self.path.stem
        self.assertEqual([f"/{name}.seen end", f"/{name}.seen.new floor", " "], synced)

    def test_descriptors(self) -> None:
        """
        However often the file is written again, it has one descriptor, beside that of the lock.
        """
        self.patch(replayfile, "MAX_LINES", 2)
        before = len(os.listdir("/proc/self/fd"))
        self.open(*(f"{number:x}" for number in range(20)))
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))
        self.file.close()
        self.assertEqual(before - 2, len(os.listdir("/proc/self/fd")))

    def test_seldomMadeAnew(self) -> None:
        """In between, the same file grows: one write for each knock."""
        before = self.path.stat().st_ino
        self.open(*(f"{number:x}" for number in range(199)))
        self.assertEqual(before, self.path.stat().st_ino)

    def test_closed(self) -> None:
        """After it was closed, and before it began, it writes nothing."""
        self.file.close()
        before = self.path.read_text()
        self.open("1")
        ReplayFile(self.path).note("a" * 32, "0" * 16, 1)
        self.file.close()
        self.assertEqual(before, self.path.read_text())

    def test_unknownBoot(self) -> None:
        """An unknown boot is never the same as another."""
        self.boot = "-"
        self.restart()
        self.assertKept()
        self.crash()
        self.assertLost("this host went down, or was copied, before the daemon ended")
