"""Tests of L{pkdoors.daemon.audit}: a file that cannot be written."""

import json
import os
import socket
from pathlib import Path

from twisted.logger import LogLevel

from pkdoors.events.event import CLOSED, GUARDING, OPENED
from tests.daemon.auditcase import AuditTestCase, event, refuse


class FullDiskTests(AuditTestCase):
    """
    The disk is full.
    """

    def setUp(self) -> None:
        """Write two lines to the file, then fill the disk in the middle of another."""
        super().setUp()
        self.path.parent.mkdir(parents=True)
        self.use()
        self.hear("1", "2")
        self.disk.room = 50

    def test_warning(self) -> None:
        """A full disk is one warning, however many events come, and nothing is raised."""
        self.hear(*"3456789")
        expected = (
            f"cannot write the audit file {self.path} (No space left on device): events are in "
            "this log only until it can be written again"
        )
        self.assertEqual([expected], self.log.lines())
        self.assertEqual(["warn"], self.log.levels())

    def test_untorn(self) -> None:
        """A partial line is taken back: every line is JSON at any time."""
        before = self.path.read_bytes()
        for source in "3456":
            self.hear(source)
            self.assertEqual(before, self.path.read_bytes())

    def test_everyRoom(self) -> None:
        """However much room there is, lines are written completely or not at all."""
        length = self.path.stat().st_size // 2
        for room in range(length + 2):
            self.disk.room = room
            self.hear("3")
            self.disk.room = 1_000_000
            self.hear("4")
        self.assertEqual({"1", "2", "3", "4"}, set(self.sources()))
        self.assertEqual(2, self.sources().count("3"))

    def test_recovers(self) -> None:
        """When there is room again it continues, and says how many events are missing."""
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
        """Reopening while the disk is full logs nothing new, and keeps the count."""
        self.hear("3", "4")
        self.audit.reopen()
        self.hear("5")
        self.disk.room = 1_000_000
        self.hear("6")
        self.assertEqual(["warn", "info"], self.log.levels())
        self.assertTrue(self.log.lines()[-1].endswith("missing in it: 3"), self.log.lines())

    def test_appendOnly(self) -> None:
        """If a partial line cannot be taken back, the next event begins a new line."""
        self.patch(os, "ftruncate", refuse)
        self.hear("3")
        self.disk.room = 1_000_000
        self.hear("4", "5")
        lines = self.path.read_text().splitlines()
        self.assertEqual(5, len(lines))
        self.assertEqual(50, len(lines[2]))
        self.assertEqual(["4", "5"], [json.loads(line)["source"] for line in lines[3:]])


class UnwritableTests(AuditTestCase):
    """
    Something else has the file's place.
    """

    def assertComplains(self, reason: str) -> None:
        """Expect one warning with this reason, at the start; nothing is raised, then or later."""
        self.use()
        self.hear("1", "2")
        (line,) = self.log.lines(LogLevel.warn)
        self.assertTrue(line.startswith(f"cannot write the audit file {self.path} ({reason}): "))
        self.assertEqual(["warn"], self.log.levels())

    def haveFolder(self) -> None:
        """Make the folder."""
        self.path.parent.mkdir(parents=True)

    def test_noFolder(self) -> None:
        """The folder cannot be made."""
        self.path.parent.parent.write_text("")
        self.assertComplains("Not a directory")

    def test_folder(self) -> None:
        """There is a folder."""
        self.path.mkdir(parents=True)
        self.assertComplains("Is a directory")

    def test_link(self) -> None:
        """
        There is a symbolic link: whoever can make one there must not choose where root writes.
        """
        self.haveFolder()
        victim = self.path.with_name("victim")
        victim.write_text("")
        self.path.symlink_to(victim)
        self.assertComplains("it is a symbolic link")
        self.assertEqual("", victim.read_text())

    def test_hardLink(self) -> None:
        """There is a hard link, which is refused for the same reason."""
        self.haveFolder()
        victim = self.path.with_name("victim")
        victim.write_text("")
        os.link(victim, self.path)
        self.assertComplains("it has other names, too: it is a hard link")
        self.assertEqual("", victim.read_text())

    def test_fifo(self) -> None:
        """There is a FIFO, which would block, whether somebody reads it or not."""
        self.haveFolder()
        os.mkfifo(self.path)
        self.assertComplains("it is not a regular file")
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.hear("3")
        self.assertEqual(b"", os.read(reader, 9))

    def test_socket(self) -> None:
        """There is a socket."""
        self.haveFolder()
        with socket.socket(socket.AF_UNIX) as server:
            here = os.getcwd()
            self.addCleanup(os.chdir, here)
            os.chdir(self.path.parent)  # its path may be too long
            server.bind(self.path.name)
            os.chdir(here)
        self.assertComplains("No such device or address")

    def test_device(self) -> None:
        """There is a device."""
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
        """Another path starts with a new count of missing events."""
        self.path.mkdir(parents=True)
        self.assertComplains("Is a directory")
        self.path = self.path.with_name("other")
        self.use()
        self.hear("3")
        self.assertEqual((["3"], ["warn"]), (self.sources(), self.log.levels()))

    def test_noFilesLeft(self) -> None:
        """A file that could not be used is not held open."""
        before = os.listdir("/proc/self/fd")
        self.haveFolder()
        os.mkfifo(self.path)
        self.use()
        for kind in (GUARDING, OPENED, CLOSED):
            self.audit.hear(event(kind))
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))
