"""Tests of L{pkdoors.host.program}."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host import program
from pkdoors.host.program import ownCommand


class OwnCommandTests(SynchronousTestCase):
    """
    Tests of L{ownCommand}.
    """

    def setUp(self) -> None:
        """Install it in one folder, and let root's shell look in another one."""
        top = Path(self.mktemp()).absolute()
        self.scripts, self.usual = top / "a b", top / "bin"
        for folder in (self.scripts, self.usual):
            folder.mkdir(parents=True)
        self.own = self.scripts / "pkdoors"
        self.own.touch(0o755)
        self.patch(program, "USUAL", str(self.usual))

    def test_path(self) -> None:
        """If root's shell does not find it, it is a path."""
        self.assertEqual(f"'{self.own}'", ownCommand(str(self.scripts)))

    def test_name(self) -> None:
        """If root's shell finds a link to it, it is the name."""
        (self.usual / "pkdoors").symlink_to(self.own)
        self.assertEqual("pkdoors", ownCommand(str(self.scripts)))

    def test_other(self) -> None:
        """If root's shell finds another installation, it is a path."""
        (self.usual / "pkdoors").touch(0o755)
        self.assertEqual(f"'{self.own}'", ownCommand(str(self.scripts)))
