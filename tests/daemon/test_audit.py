"""Tests of L{pkdoors.daemon.audit}."""

import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

from twisted.logger import LogLevel
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.daemon.audit import AuditFile
from pkdoors.events.event import CLOSED, GUARDING, KINDS, OPENED, Event, fields
from pkdoors.model.principal import Principal
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log
from tests.fakes.modules import SERVICE, haveService
from tests.lab.readme import README, block

ANNA = Principal("anna@laptop", "SHA256:abc")


def event(kind: str = OPENED, source: str = "192.0.2.7", **details: Any) -> Event:
    """Something that happened at a door."""
    details.setdefault("door", makeDoor())
    return Event(kind, 1_795_420_800.0, source=source, **details)


class Disk:
    """
    Writes like C{write(2)}, as long as there is room.

    @ivar room: in bytes; what is only partly written fills it up.
    """

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room

    def write(self, file: int, data: bytes) -> int:
        """Write, as much as there is room for."""
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(file, data[: self.room])
        self.room -= written
        return written


class AuditTestCase(SynchronousTestCase):
    """With a place for the file."""

    def setUp(self) -> None:
        """Have it."""
        self.log = Log(self)
        self.path = Path(self.mktemp()).absolute() / "pkdoors" / "audit.jsonl"
        self.disk = Disk()
        self.audit = AuditFile(write=self.disk.write)
        self.addCleanup(self.audit.close)

    def use(self, path: Path | None = None) -> None:
        """Begin to write."""
        self.audit.use(str(path or self.path))

    def sources(self, path: Path | None = None) -> list[str]:
        """The source of each line; every line has to be JSON."""
        lines = (path or self.path).read_text().splitlines(keepends=True)
        self.assertEqual([], [line for line in lines if not line.endswith("\n")])
        return [json.loads(line)["source"] for line in lines]

    def hear(self, *sources: str) -> None:
        """Hear of openings for these sources."""
        for source in sources:
            self.audit.hear(event(source=source))


class WritingTests(AuditTestCase):
    """
    Where all is well.
    """

    def test_line(self) -> None:
        """A line is the event as JSON, with all keys, in their order."""
        self.use()
        self.audit.hear(event(seconds=30.0, who=ANNA))
        line = self.path.read_text()
        self.assertEqual(json.dumps(fields(event(seconds=30.0, who=ANNA))) + "\n", line)
        self.assertTrue(
            line.startswith(
                '{"time": "2026-11-23T08:00:00.000Z", "event": "opened", "door": "default", '
                '"source": "192.0.2.7", "ports": ["22/tcp"], "seconds": 30.0, '
                '"user": "anna@laptop", "key": "SHA256:abc", "reason": "", "text": "opened door '
            ),
            line,
        )

    def test_readme(self) -> None:
        """README.md shows such a line, and tells of each kind."""
        self.use()
        door = makeDoor(name="ssh")
        who = Principal("anna@laptop", "SHA256:...")
        self.audit.hear(event(CLOSED, door=door, seconds=30.0, who=who, reason="its time is over"))
        self.assertEqual(block('{"time"'), self.path.read_text())
        self.assertEqual([], [kind for kind in KINDS if f"`{kind}`" not in README.read_text()])

    def test_everyKind(self) -> None:
        """Every kind of event can be written, also those that are about no door."""
        self.use()
        for kind in KINDS:
            self.audit.hear(Event(kind, 1.0, reason="some", cause="other"))
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        self.assertEqual(list(KINDS), [line["event"] for line in lines])

    def test_atOnce(self) -> None:
        """Each is in the file when it was heard, not later."""
        self.use()
        for number in range(3):
            self.hear(str(number))
            self.assertEqual([str(each) for each in range(number + 1)], self.sources())

    def test_oneLine(self) -> None:
        """Whatever a key's comment holds, one event is one line, which means the same."""
        self.use()
        name = 'Zoë\n{"event": "opened"}\r\x1b[2J\u2028\ud800'
        self.audit.hear(event(who=Principal(name, "k")))
        self.hear("next")
        first, _ = self.path.read_bytes().decode().splitlines()
        self.assertTrue(first.isprintable())
        self.assertIn("Zoë", first)
        self.assertEqual(name, json.loads(first)["user"])

    def test_modes(self) -> None:
        """Only root may read it; its folder is made."""
        self.addCleanup(os.umask, os.umask(0o022))
        self.use()
        modes = [oct(each.stat().st_mode & 0o7777) for each in (self.path.parent, self.path)]
        self.assertEqual(["0o750", "0o600"], modes)

    def test_service(self) -> None:
        """What root writes in the folder of the service's user the service can go on with."""
        if os.getuid():
            raise SkipTest("this test gives a file to a user: run it as root (sudo script/test)")
        self.path = haveService(self) / "audit.jsonl"
        self.use()
        self.hear("1")
        self.assertEqual((["1"], SERVICE), (self.sources(), self.path.stat().st_uid))

    def test_mode(self) -> None:
        """The mode of a file that is there already stays as its owner set it."""
        self.path.parent.mkdir(parents=True)
        self.path.touch()
        self.path.chmod(0o640)
        self.use()
        self.hear("1")
        self.assertEqual(0o640, self.path.stat().st_mode & 0o7777)

    def test_restart(self) -> None:
        """What an earlier daemon wrote stays."""
        self.use()
        self.hear("1")
        again = AuditFile()
        self.addCleanup(again.close)
        again.use(str(self.path))
        again.hear(event(source="2"))
        self.assertEqual(["1", "2"], self.sources())

    def test_torn(self) -> None:
        """A last line without an end, as a power cut leaves it, spoils no other."""
        self.path.parent.mkdir(parents=True)
        self.path.write_text('{"time": "20')
        self.use()
        self.hear("1", "2")
        torn, *others = self.path.read_text().splitlines()
        self.assertEqual('{"time": "20', torn)
        self.assertEqual(["1", "2"], [json.loads(line)["source"] for line in others])

    def test_nowhere(self) -> None:
        """Without a path, before it is used or after it was closed, nothing is written."""
        self.hear("1")
        self.audit.use("")
        self.hear("2")
        self.use()
        self.audit.close()
        self.hear("3")
        self.audit.reopen()
        self.assertEqual([], self.sources())

    def test_quiet(self) -> None:
        """Where all is well nothing is logged."""
        self.use()
        self.hear("1", "2")
        self.audit.reopen()
        self.audit.close()
        self.assertEqual([], self.log.lines())

    def test_filesAreClosed(self) -> None:
        """However often it is opened again, it holds one file; and none when it is closed."""
        before = os.listdir("/proc/self/fd")
        for _ in range(9):
            self.use()
            self.audit.reopen()
        self.use(self.path.with_name("other"))
        self.assertEqual(len(before) + 1, len(os.listdir("/proc/self/fd")))
        self.audit.close()
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))


class RotatingTests(AuditTestCase):
    """
    Where the file is moved away, or another one wanted.
    """

    def test_moved(self) -> None:
        """One that is moved away is written on until it is reopened; then it is a new one."""
        self.use()
        old = self.path.with_suffix(".1")
        self.hear("1")
        self.path.rename(old)
        self.hear("2")
        self.assertFalse(self.path.exists())
        self.audit.reopen()
        self.hear("3")
        self.assertEqual((["1", "2"], ["3"]), (self.sources(old), self.sources()))

    def test_removed(self) -> None:
        """One that is removed is lost until then, and nothing breaks."""
        self.use()
        self.path.unlink()
        self.hear("1")
        self.audit.reopen()
        self.hear("2")
        self.assertEqual((["2"], []), (self.sources(), self.log.lines()))

    def test_copied(self) -> None:
        """One that is copied and emptied, as logrotate's copytruncate does, is written on."""
        self.use()
        self.hear("1")
        os.truncate(self.path, 0)
        self.hear("2")
        self.assertEqual(["2"], self.sources())

    def test_other(self) -> None:
        """Another path is used at once; the first one is left alone."""
        self.use()
        self.hear("1")
        other = self.path.with_name("other")
        self.use(other)
        self.hear("2")
        self.audit.use("")
        self.hear("3")
        self.assertEqual((["1"], ["2"]), (self.sources(), self.sources(other)))

    def test_same(self) -> None:
        """To use the same path again opens it anew."""
        self.use()
        self.path.rename(self.path.with_suffix(".1"))
        self.use()
        self.hear("1")
        self.assertEqual(["1"], self.sources())


class FullDiskTests(AuditTestCase):
    """
    Where the disk is full.
    """

    def setUp(self) -> None:
        """Have two lines in the file, then a disk that is full after half of another."""
        super().setUp()
        self.use()
        self.hear("1", "2")
        self.disk.room = 50

    def test_warning(self) -> None:
        """That is one warning, however many events come, and nothing is raised."""
        self.hear(*"3456789")
        expected = (
            f"cannot write the audit file {self.path} (No space left on device): events are in "
            "this log only until it can be written again"
        )
        self.assertEqual([expected], self.log.lines())
        self.assertEqual(["warn"], self.log.levels())

    def test_untorn(self) -> None:
        """What was written of a line is taken back: every line is JSON all the while."""
        before = self.path.read_bytes()
        for source in "3456":
            self.hear(source)
            self.assertEqual(before, self.path.read_bytes())

    def test_everyRoom(self) -> None:
        """However much room there is, lines are written wholly or not at all."""
        length = self.path.stat().st_size // 2
        for room in range(length + 2):
            self.disk.room = room
            self.hear("3")
            self.disk.room = 1_000_000
            self.hear("4")
        self.assertEqual({"1", "2", "3", "4"}, set(self.sources()))
        self.assertEqual(2, self.sources().count("3"))

    def test_recovers(self) -> None:
        """When there is room again it goes on, and says how many events are missing."""
        self.hear(*"34567")
        self.disk.room = 1_000_000
        self.hear("8", "9")
        self.assertEqual(["1", "2", "8", "9"], self.sources())
        expected = f"the audit file {self.path} is written again; events missing in it: 5"
        self.assertEqual([expected], self.log.lines(LogLevel.info))

    def test_again(self) -> None:
        """A second time is a second warning, with a count of its own."""
        for _ in range(2):
            self.disk.room = 0
            self.hear("3", "4")
            self.disk.room = 1_000_000
            self.hear("5")
        self.assertEqual(["warn", "info"] * 2, self.log.levels())
        self.assertTrue(self.log.lines()[-1].endswith("missing in it: 2"), self.log.lines())

    def test_reopened(self) -> None:
        """To reopen it while the disk is full says nothing new, and forgets no count."""
        self.hear("3", "4")
        self.audit.reopen()
        self.hear("5")
        self.disk.room = 1_000_000
        self.hear("6")
        self.assertEqual(["warn", "info"], self.log.levels())
        self.assertTrue(self.log.lines()[-1].endswith("missing in it: 3"), self.log.lines())

    def test_appendOnly(self) -> None:
        """Where a part of a line cannot be taken back, the next begins a new one."""
        self.patch(os, "ftruncate", refuse)
        self.hear("3")
        self.disk.room = 1_000_000
        self.hear("4", "5")
        lines = self.path.read_text().splitlines()
        self.assertEqual(5, len(lines))
        self.assertEqual(50, len(lines[2]))
        self.assertEqual(["4", "5"], [json.loads(line)["source"] for line in lines[3:]])


def refuse(*arguments: object) -> None:
    """What a file that can only be appended to answers."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


class UnwritableTests(AuditTestCase):
    """
    Where something else has its place.
    """

    def assertComplains(self, reason: str) -> None:
        """One warning with this reason, at the start; nothing is raised, then or later."""
        self.use()
        self.hear("1", "2")
        (line,) = self.log.lines(LogLevel.warn)
        self.assertTrue(line.startswith(f"cannot write the audit file {self.path} ({reason}): "))
        self.assertEqual(["warn"], self.log.levels())

    def haveFolder(self) -> None:
        """Make its folder."""
        self.path.parent.mkdir(parents=True)

    def test_noFolder(self) -> None:
        """A folder that cannot be made."""
        self.path.parent.parent.write_text("")
        self.assertComplains("Not a directory")

    def test_folder(self) -> None:
        """A folder."""
        self.path.mkdir(parents=True)
        self.assertComplains("Is a directory")

    def test_link(self) -> None:
        """A symbolic link: who can make one there must not choose where root writes."""
        self.haveFolder()
        victim = self.path.with_name("victim")
        victim.write_text("")
        self.path.symlink_to(victim)
        self.assertComplains("it is a symbolic link")
        self.assertEqual("", victim.read_text())

    def test_hardLink(self) -> None:
        """A hard link, for the same reason."""
        self.haveFolder()
        victim = self.path.with_name("victim")
        victim.write_text("")
        os.link(victim, self.path)
        self.assertComplains("it has other names, too: it is a hard link")
        self.assertEqual("", victim.read_text())

    def test_fifo(self) -> None:
        """A FIFO, which would block: whether somebody reads it or not."""
        self.haveFolder()
        os.mkfifo(self.path)
        self.assertComplains("it is not a regular file")
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.hear("3")
        self.assertEqual(b"", os.read(reader, 9))

    def test_socket(self) -> None:
        """A socket."""
        self.haveFolder()
        with socket.socket(socket.AF_UNIX) as server:
            here = os.getcwd()
            self.addCleanup(os.chdir, here)
            os.chdir(self.path.parent)  # its path may be too long
            server.bind(self.path.name)
            os.chdir(here)
        self.assertComplains("No such device or address")

    def test_device(self) -> None:
        """A device."""
        self.path = Path("/dev/null")
        self.assertComplains("it is not a regular file")

    def test_removedObstacle(self) -> None:
        """Once the obstacle is gone the next event is written, without a reload."""
        self.path.mkdir(parents=True)
        self.assertComplains("Is a directory")
        self.path.rmdir()
        self.hear("3")
        self.assertEqual(["3"], self.sources())
        self.assertTrue(self.log.lines()[-1].endswith("missing in it: 2"))

    def test_otherPath(self) -> None:
        """Another path begins without that; what was missing is not missing there."""
        self.path.mkdir(parents=True)
        self.assertComplains("Is a directory")
        self.path = self.path.with_name("other")
        self.use()
        self.hear("3")
        self.assertEqual((["3"], ["warn"]), (self.sources(), self.log.levels()))

    def test_noFilesLeft(self) -> None:
        """What could not be used is not held open."""
        before = os.listdir("/proc/self/fd")
        self.haveFolder()
        os.mkfifo(self.path)
        self.use()
        for kind in (GUARDING, OPENED, CLOSED):
            self.audit.hear(event(kind))
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))
