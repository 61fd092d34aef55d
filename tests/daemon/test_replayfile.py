"""Tests of L{pkdoors.daemon.replayfile}."""

import os
import shutil
import time
from pathlib import Path

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon import replayfile as seenfileModule
from pkdoors.daemon.replayfile import ReplayFile
from pkdoors.locks.sealed.replays import Notes, ReplayCache
from tests.fakes.log import Log

KEY = b"a key"
SKEW = 60.0
LATER = 3600.0


class SeenFileTestCase(SynchronousTestCase):
    """
    With what a daemon left that ran for long, and still runs.
    """

    def setUp(self) -> None:
        """Run it."""
        self.folder = Path(self.mktemp()).absolute() / "lib"
        self.folder.parent.mkdir()
        self.path = self.folder / "0123456789abcdef.seen"
        self.now, self.boot, self.ahead = 1000.0, "b007", 0.0
        self.log = Log(self)
        self.start()
        self.first = self.log.lines()
        self.now += LATER
        self.restart()
        self.log = Log(self)

    def timeOfDay(self) -> float:
        """The time of day, which may be ahead of the one that files have."""
        return time.time() + self.ahead

    def start(self) -> None:
        """Start a daemon."""
        self.file = ReplayFile(self.path, lambda: self.now, self.timeOfDay, lambda: self.boot)
        self.addCleanup(self.file.close)
        self.seen = ReplayCache(self.now, self.file.note)
        self.file.start(self.seen, SKEW)

    def kill(self) -> None:
        """The daemon ends as with kill -9: nothing more is written."""
        for each in (self.file._file, self.file._lock):
            if each is not None:
                os.close(each)
        self.file._file = self.file._lock = None

    def restart(self, boot: str = "") -> None:
        """It ends in order, and the next one starts, maybe after a boot."""
        self.file.close()
        self.boot = boot or self.boot
        self.start()

    def crash(self, boot: str = "") -> None:
        """It ends out of order, and the next one starts, maybe after a boot."""
        self.kill()
        self.boot = boot or self.boot
        self.start()

    def open(self, *nonces: str) -> None:
        """Some knocks open something."""
        for nonce in nonces:
            self.seen.add(KEY, f"{nonce:0>16}", 1001)

    def has(self, *nonces: str) -> list[bool]:
        """Whether they are remembered."""
        return [self.seen.has(KEY, f"{nonce:0>16}") for nonce in nonces]

    def waits(self) -> bool:
        """Whether a knock that is made now is refused."""
        today = 1_800_000_000
        return bool(self.seen.refusal(today * 1000, self.now, today, SKEW))

    def assertLost(self, trouble: str) -> None:
        """Assert that knocks are refused until the skew has passed, and that one line says so."""
        self.assertTrue(self.waits())
        (line,) = self.log.lines()
        self.assertEqual(
            f"the notes of sealed knocks in {self.path} cannot be trusted ({trouble}): sealed "
            "knocks are refused for 60 s after this start, in case they opened something before",
            line,
        )
        self.now += SKEW + 0.1
        self.assertFalse(self.waits())
        self.log = Log(self)

    def assertKept(self, *nonces: str) -> None:
        """Assert that knocks are taken at once, but for those that opened something."""
        self.assertFalse(self.waits())
        self.assertEqual([True] * len(nonces), self.has(*nonces))
        self.assertEqual([], self.log.lines())


class RestartTests(SeenFileTestCase):
    """
    What one daemon saw the next one knows.
    """

    def test_private(self) -> None:
        """Nobody else can read the file, or look into its folder."""
        self.assertEqual(
            ["0o700", "0o600", "0o600"],
            [oct(each.stat().st_mode & 0o777) for each in (self.folder, *self.folder.iterdir())],
        )

    def test_restart(self) -> None:
        """It knows after an orderly end."""
        self.open("1", "2")
        self.restart()
        self.assertKept("1", "2")
        self.assertEqual([False], self.has("3"))

    def test_everyRestart(self) -> None:
        """So does the one after, though the one between saw nothing."""
        self.open("1")
        self.restart()
        self.restart()
        self.open("2")
        self.restart()
        self.assertKept("1", "2")

    def test_killed(self) -> None:
        """It knows after a kill, too: each is in the file before it opens anything."""
        self.open("1", "2")
        self.crash()
        self.assertKept("1", "2")
        self.crash()
        self.assertKept("1", "2")

    def test_boot(self) -> None:
        """It knows after a boot, if the daemon had ended in order."""
        self.open("1")
        self.now = 5.0
        self.restart("b008")
        self.assertKept("1")

    def test_otherNamespace(self) -> None:
        """Nothing depends on the network namespace: the name is the caller's alone."""
        self.open("1")
        self.assertEqual({self.path, self.path.with_suffix(".lock")}, set(self.folder.iterdir()))

    def test_forgotten(self) -> None:
        """What was forgotten is refused by the next daemon, too."""
        self.seen.learn(Notes({"f" * 32: 17}))
        self.file._replace()
        self.restart()
        self.assertEqual({"f" * 32: 17}, self.seen.notes().forgotten)

    def test_clockSetBack(self) -> None:
        """Wherever the clock is set before the next start, what opened something is known."""
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
        """The file is made anew now and then, and has no more lines than it needs."""
        self.patch(seenfileModule, "MAX_LINES", 8)
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
        """An end in order is on the disk before it counts, and so is what comes after it."""
        synced: list[str] = []

        def sync(file: int) -> None:
            where = os.readlink(f"/proc/self/fd/{file}").removeprefix(f"{self.folder}")
            synced.append(f"{where} {os.fstat(file).st_size > 0 and where and last(file)}")

        def last(file: int) -> str:
            return Path(f"/proc/self/fd/{file}").read_text().splitlines()[-1].split()[1]

        self.patch(os, "fsync", sync)
        self.restart()
        name = self.path.stem
        self.assertEqual([f"/{name}.seen end", f"/{name}.new notes", " "], synced)

    def test_descriptors(self) -> None:
        """However often it is made anew, it has one descriptor, beside that of the lock."""
        self.patch(seenfileModule, "MAX_LINES", 2)
        before = len(os.listdir("/proc/self/fd"))
        self.open(*(f"{number:x}" for number in range(20)))
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))
        self.file.close()
        self.assertEqual(before - 2, len(os.listdir("/proc/self/fd")))

    def test_seldomMadeAnew(self) -> None:
        """Between, it is the same file that grows: one write for each knock."""
        before = self.path.stat().st_ino
        self.open(*(f"{number:x}" for number in range(199)))
        self.assertEqual(before, self.path.stat().st_ino)

    def test_closed(self) -> None:
        """Once closed, or not begun yet, it writes nothing."""
        self.file.close()
        before = self.path.read_text()
        self.open("1")
        ReplayFile(self.path).note("a" * 32, "0" * 16, 1)
        self.file.close()
        self.assertEqual(before, self.path.read_text())

    def test_unknownBoot(self) -> None:
        """A boot that nobody tells is never the same."""
        self.boot = "-"
        self.restart()
        self.assertKept()
        self.crash()
        self.assertLost("this host went down, or was copied, before the daemon ended")


class LostTests(SeenFileTestCase):
    """
    Notes that cannot be trusted.
    """

    DAMAGED = "they are damaged"
    CHANGED = "somebody changed the file, or put a copy in its place"

    def test_firstStart(self) -> None:
        """None are there at the first start: that is not told from their loss."""
        (line,) = self.first
        self.assertIn("cannot be trusted (they are missing)", line)

    def test_deleted(self) -> None:
        """They are deleted."""
        self.open("1")
        self.kill()
        self.path.unlink()
        self.start()
        self.assertLost("they are missing")

    def test_deletedAndStartedTwice(self) -> None:
        """To start once more does not help; the time that has passed counts."""
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
        """Nor does a boot, unless the skew had passed before."""
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
        """Where a reload allows more skew, that is what must have passed; less changes nothing."""
        self.kill()
        self.path.unlink()
        self.start()
        self.file.allow(10 * SKEW)
        self.file.allow(1.0)
        self.now += SKEW + 1
        self.restart("b008")
        self.assertTrue(self.waits())

    def test_cutOff(self) -> None:
        """They are cut off, wherever that is."""
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
        """They are cut off between two lines, a while after they were written."""
        self.ahead = -100.0
        self.crash()
        self.open("1", "2")
        self.kill()
        lines = self.path.read_text().splitlines(keepends=True)
        self.path.write_text("".join(lines[:-1]))
        self.start()
        self.assertLost(self.CHANGED)

    def test_garbled(self) -> None:
        """They are garbled."""
        for data in (b"", b"\0" * 500, os.urandom(500), b"1 notes 2 x 1 - 0\n", b"\n" * 99):
            self.kill()
            self.path.write_bytes(data)
            self.start()
            self.assertTrue(self.waits())
            self.assertIn(self.DAMAGED, self.log.lines()[0])
            self.log = Log(self)

    def test_olderCopy(self) -> None:
        """An older copy is put in their place, from a backup: it is another file."""
        backup = self.folder / "backup"
        self.open("1")
        shutil.copy2(self.path, backup)
        self.open("2")
        self.kill()
        backup.replace(self.path)
        self.start()
        self.assertLost(self.CHANGED)

    def test_olderContent(self) -> None:
        """Or its content is, into the file itself, which was changed later than its last line."""
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
        """It is a link; what that leads to is neither read nor written."""
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
        """It is no file; a FIFO does not make the daemon wait."""
        self.kill()
        self.path.unlink()
        os.mkfifo(self.path)
        self.start()
        self.assertLost("it is not a regular file")

    def test_tooLong(self) -> None:
        """It is longer than any that was written: it is not read to its end."""
        self.kill()
        with self.path.open("ab") as file:
            file.truncate(1 << 40)
        self.start()
        self.assertLost("they are too long")

    def test_crashedHost(self) -> None:
        """The host went down before the daemon had ended: not all may be on the disk."""
        self.open("1")
        self.crash("b008")
        self.assertLost("this host went down, or was copied, before the daemon ended")

    def test_otherClock(self) -> None:
        """The clock that does not jump did."""
        self.kill()
        self.path.unlink()
        self.start()
        self.kill()
        self.log = Log(self)
        self.now -= 500
        self.start()
        self.assertLost("their clock is not this one")

    def test_twoDaemons(self) -> None:
        """Another daemon uses them: it goes on with them, and this one waits after each start."""
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


class UnwritableTests(SeenFileTestCase):
    """
    Where the file cannot be written.
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
        """What is a folder cannot be replaced."""
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
        does not take for whole what lacks them.
        """
        full = os.open("/dev/full", os.O_WRONLY)
        file, self.file._file = self.file._file, full
        assert file is not None
        self.patch(seenfileModule, "openOwn", self.fail_)
        os.ftruncate(file, 0)  # as it is done to the file that cannot be written
        for number in range(9):
            self.open(f"{number}")
        (line,) = self.log.lines(LogLevel.warn)
        self.assertIn(f"cannot write {self.path} (No space left on device): after a res", line)
        os.close(file)

    def test_endUnwritten(self) -> None:
        """
        An end that may not have reached the disk is none, and keeps nothing from ending: the next
        daemon does not trust the file.
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
        """Nothing can be made."""
        raise OSError(28, "No space left on device")

    def test_spoilt(self) -> None:
        """A line that cannot be written has all the others thrown away, and made anew later."""
        self.open("1")
        write, count = seenfileModule._writeAll, iter([False, True, True])

        def writeAll(file: int, lines: object) -> None:
            if not next(count):
                raise OSError(28, "No space left on device")
            write(file, lines)  # type: ignore[arg-type]

        self.patch(seenfileModule, "_writeAll", writeAll)
        self.open("2")
        self.assertEqual(0, self.path.stat().st_size)
        self.open("3")
        self.patch(seenfileModule, "_writeAll", write)
        self.assertEqual(["warn"], self.log.levels())
        self.log = Log(self)
        self.crash()
        self.assertKept("1", "2", "3")

    def test_notMadeAnew(self) -> None:
        """Where the file cannot be made anew, the old one, which lacks lines, is thrown away."""
        self.patch(seenfileModule, "MAX_LINES", 2)
        self.open("1", "2")
        patch = self.patch(seenfileModule, "openOwn", self.fail_)
        self.open("3")
        patch.restore()
        self.assertEqual(["warn"], self.log.levels())
        self.log = Log(self)
        self.crash()
        self.assertLost("they are damaged, or of another version")

    def test_halfALine(self) -> None:
        """A line of which only a part fits on the disk is one that cannot be written."""
        write = os.write
        patch = self.patch(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        self.open("1")
        patch.restore()
        (line,) = self.log.lines()
        self.assertIn(f"cannot write {self.path} (No space left on device)", line)
        self.assertEqual(0, self.path.stat().st_size)

    def test_failsAgain(self) -> None:
        """What cannot be written after it could again is one more warning."""
        for nonces in (("1", "2"), ("3", "4")):
            patch = self.patch(seenfileModule, "_writeAll", self.fail_)
            self.open(*nonces)
            patch.restore()
            self.open(f"a{nonces[0]}")
        self.assertEqual(["warn", "warn"], self.log.levels())

    def test_link(self) -> None:
        """A link that somebody put in the way of a new file is not followed."""
        victim = self.folder / "victim"
        victim.write_text("precious")
        self.file.close()
        self.path.with_suffix(".new").symlink_to(victim)
        self.start()
        self.assertIn("(Too many levels of symbolic links)", self.log.lines()[0])
        self.assertTrue(self.waits())
        self.assertEqual("precious", victim.read_text())
