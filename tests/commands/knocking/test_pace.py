"""Tests of L{pkdoors.commands.knocking.pace}."""

import os
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.methods import PlainMethod
from pkdoors.commands.knocking.pace import Pace
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import PORTS


class PaceTests(SynchronousTestCase):
    """
    Tests of L{Pace}.
    """

    def setUp(self) -> None:
        """Make a folder of the session."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def pace(self, host: str = "h", port: int | None = 22, folder: str | None = None) -> Pace:
        """Return the pace of a port."""
        attempt = Attempt(host, PlainMethod(Sequence(PORTS), 0, 0), port=port)
        folder = str(self.folder) if folder is None else folder
        return Pace(attempt, {"XDG_RUNTIME_DIR": folder})

    def age(self, seconds: float) -> None:
        """Make all notes older."""
        for path in self.folder.iterdir():
            then = time.time() - seconds
            os.utime(path, (then, then))

    def test_another(self) -> None:
        """Another process waits until a second is over, and not longer."""
        self.assertEqual(0.0, self.pace().left())
        self.pace().note()
        self.age(0.25)
        left = self.pace().left()
        self.assertTrue(0 <= left <= 0.75, left)
        self.age(1.0)
        self.assertEqual(0.0, self.pace().left())

    def test_each(self) -> None:
        """Each port of each host has its own pace."""
        self.pace().note()
        for other in (self.pace(host="other"), self.pace(port=80)):
            self.assertEqual(0.0, other.left())

    def test_clock(self) -> None:
        """A note from the future, after the clock was set back, does not count."""
        self.pace().note()
        self.age(-3600)
        self.assertEqual(0.0, self.pace().left())

    def test_noPort(self) -> None:
        """Without a port to wait for, nothing is noted."""
        pace = self.pace(port=None)
        pace.note()
        self.assertEqual((0.0, []), (pace.left(), list(self.folder.iterdir())))

    def test_noFolder(self) -> None:
        """Without such a folder there is no pace; nor if it is away, or not to be written to."""
        for folder in ("", "relative", str(self.folder / "away")):
            pace = self.pace(folder=folder)
            pace.note()
            self.assertEqual(0.0, pace.left())

    def test_link(self) -> None:
        """A note is never written through a link."""
        self.pace().note()
        (path,) = self.folder.iterdir()
        path.unlink()
        target = self.folder / "target"
        path.symlink_to(target)
        self.pace().note()
        self.assertFalse(target.exists())

    def test_secret(self) -> None:
        """The note tells nobody the host, and only the user can read it."""
        self.pace("secret.example").note()
        (path,) = self.folder.iterdir()
        self.assertNotIn("secret", path.name)
        self.assertEqual((b"", 0o600), (path.read_bytes(), path.stat().st_mode & 0o777))
