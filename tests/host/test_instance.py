"""Tests of L{pkdoors.host.instance}."""

import errno
import os
from pathlib import Path

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.instance import AlreadyRunning, AnyInstance, Instance, InstanceError
from tests.fakes.log import Log


class InstanceTests(SynchronousTestCase):
    """
    Tests of L{Instance}.
    """

    def setUp(self) -> None:
        """Have a folder that is not there yet."""
        self.folder = Path(self.mktemp()) / "run"
        self.first, self.second = Instance(self.folder), Instance(self.folder)
        self.addCleanup(self.first.give)
        self.addCleanup(self.second.give)

    def test_one(self) -> None:
        """Only one has it; the other is told which process that is."""
        self.first.take()
        error = self.assertRaises(InstanceError, self.second.take)
        self.assertEqual(f"pkdoors is running here already (process {os.getpid()})", str(error))

    def test_given(self) -> None:
        """Who gave it back can take it again, and so can another."""
        self.first.take()
        self.first.give()
        self.second.take()
        self.assertRaises(InstanceError, self.first.take)

    def test_refusedTakesNothing(self) -> None:
        """Who did not get it keeps nobody from it."""
        self.first.take()
        self.assertRaises(InstanceError, self.second.take)
        self.assertIsNone(self.second._file)
        self.first.give()
        Instance(self.folder).take()

    def test_private(self) -> None:
        """Others can neither read nor block it."""
        self.first.take()
        (lock,) = self.folder.iterdir()
        modes = [oct(each.stat().st_mode & 0o777) for each in (self.folder, lock)]
        self.assertEqual(["0o700", "0o600"], modes)

    def test_noFolder(self) -> None:
        """Where the folder cannot be made, that is a sentence."""
        self.folder.parent.write_text("in the way")
        error = self.assertRaises(InstanceError, self.first.take)
        self.assertIn("Not a directory; pkdoors needs that folder", str(error))

    def test_fullDisk(self) -> None:
        """Where there is no room for who has it, that is one warning, and nobody else gets it."""
        log = Log(self)

        def full(*arguments: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.patch(os, "pwrite", full)
        self.first.take()
        self.first.sign()
        (line,) = log.lines(LogLevel.warn)
        self.assertIn(f"cannot write {self.first.path()} (No space left on device)", line)
        self.assertRaises(AlreadyRunning, self.second.take)

    def test_path(self) -> None:
        """What belongs to the daemon of this host is beside the lock, under the same name."""
        self.first.take()
        (lock,) = self.folder.iterdir()
        self.assertEqual(lock, self.first.path())
        self.assertEqual(lock.with_suffix(".seen"), self.second.path("seen"))

    def test_pathOfNamespace(self) -> None:
        """The name is that of the network namespace: each has a firewall of its own."""
        number = os.stat("/proc/self/ns/net").st_ino
        self.assertEqual(self.folder / f"{number}.seen", self.first.path("seen"))
        self.assertEqual(Path(f"/run/pkdoors/{number}.lock"), Instance().path())

    def test_pathMakesNothing(self) -> None:
        """To ask for it makes nothing."""
        self.first.path("seen")
        self.assertFalse(self.folder.exists())

    def test_any(self) -> None:
        """There may be any number of those that change nothing."""
        self.first.take()
        other = AnyInstance(self.folder)
        other.take()
        other.sign()
        other.give()

    def test_holder(self) -> None:
        """Who has it is told to those who do not want it, and nothing is changed by that."""
        self.assertIsNone(self.second.findHolder())
        self.assertFalse(self.folder.exists())
        self.first.take()
        self.assertEqual(os.getpid(), self.second.findHolder())
        self.first.give()
        self.assertIsNone(self.second.findHolder())

    def test_holderIsGone(self) -> None:
        """A file that a process left behind counts for nothing, whatever is in it."""
        self.first.take()
        (lock,) = self.folder.iterdir()
        self.first.give()
        for text in (str(os.getpid()), "99999999", "", "x"):
            lock.write_text(text)
            self.assertIsNone(self.second.findHolder(), text)
