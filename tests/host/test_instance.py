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
        """Name a folder that does not exist yet."""
        self.folder = Path(self.mktemp()) / "run"
        self.first, self.second = Instance(self.folder), Instance(self.folder)
        self.addCleanup(self.first.give)
        self.addCleanup(self.second.give)

    def test_one(self) -> None:
        """Only one instance has the right; the error names the process that has it."""
        self.first.take()
        error = self.assertRaises(InstanceError, self.second.take)
        self.assertEqual(f"pkdoors is already running here (process {os.getpid()})", str(error))

    def test_given(self) -> None:
        """An instance that gave the right back can take it again, and so can another."""
        self.first.take()
        self.first.give()
        self.second.take()
        self.assertRaises(InstanceError, self.first.take)

    def test_refusedTakesNothing(self) -> None:
        """An instance that was refused does not keep others from the right."""
        self.first.take()
        self.assertRaises(InstanceError, self.second.take)
        self.assertIsNone(self.second._file)
        self.first.give()
        Instance(self.folder).take()

    def test_private(self) -> None:
        """Other users can neither read nor block the lock."""
        self.first.take()
        (lock,) = self.folder.iterdir()
        modes = [oct(path.stat().st_mode & 0o777) for path in (self.folder, lock)]
        self.assertEqual(["0o700", "0o600"], modes)

    def test_noFolder(self) -> None:
        """If the folder cannot be created, the error is one sentence."""
        self.folder.parent.write_text("in the way")
        error = self.assertRaises(InstanceError, self.first.take)
        self.assertIn("Not a directory; pkdoors needs that folder", str(error))

    def test_fullDisk(self) -> None:
        """On a full disk there is one warning, and no other instance gets the right."""
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
        """The daemon's other files are beside the lock, under the same name."""
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
        """Asking for a path creates nothing."""
        self.first.path("seen")
        self.assertFalse(self.folder.exists())

    def test_any(self) -> None:
        """Any number of instances that change nothing may run."""
        self.first.take()
        other = AnyInstance(self.folder)
        other.take()
        other.sign()
        other.give()

    def test_holder(self) -> None:
        """An instance can find out which process has the right, and that changes nothing."""
        self.assertIsNone(self.second.findHolder())
        self.assertFalse(self.folder.exists())
        self.first.take()
        self.assertEqual(os.getpid(), self.second.findHolder())
        self.first.give()
        self.assertIsNone(self.second.findHolder())

    def test_holderIsGone(self) -> None:
        """A file that a process left behind counts for nothing, whatever its content."""
        self.first.take()
        (lock,) = self.folder.iterdir()
        self.first.give()
        for text in (str(os.getpid()), "99999999", "", "x"):
            lock.write_text(text)
            self.assertIsNone(self.second.findHolder(), text)
