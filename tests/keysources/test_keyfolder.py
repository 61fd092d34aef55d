"""Tests of L{pkdoors.keysources.keyfolder} and L{pkdoors.keysources.keypath}."""

from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.keysources import keyfolder
from pkdoors.keysources.keyfile import KeyFile
from pkdoors.keysources.keyfolder import SWEEP_EVERY, KeyFolder
from pkdoors.keysources.keypath import isStale, openKeys, readAll
from pkdoors.keysources.keyreader import KeyFileError
from pkdoors.util.turns import Slices
from tests.fakes.log import Log
from tests.lab.sealing import makeKey, publicLine

LINES = {name: publicLine(makeKey(), name) for name in ("anna", "bob", "eve")}


class KeyFolderTestCase(SynchronousTestCase):
    """
    A test with a folder of two files.
    """

    def setUp(self) -> None:
        """Make the folder."""
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir(mode=0o700)
        self.clock, self.log = Clock(), Log(self)
        self.write("anna", "bob")
        self.folder = KeyFolder(str(self.path), self.clock.seconds)

    def write(self, *names: str) -> None:
        """Write a file for each name."""
        for name in names:
            (self.path / name).write_text(LINES.get(name) or publicLine(makeKey(), name))

    def names(self) -> list[str]:
        """Return the comments of the keys, a moment later."""
        self.clock.advance(0.1)
        return [key.comment for key in self.folder.keys()]


class FewTests(KeyFolderTestCase):
    """
    A folder with few files.
    """

    def test_keys(self) -> None:
        """The keys of all files count, in the order of the names."""
        self.assertEqual(["anna", "bob"], self.names())
        self.assertIs(self.folder.keys(), self.folder.keys())
        self.assertEqual(
            [f"2 of the keys in {self.path} may knock, in 2 files"], self.log.lines(LogLevel.info)
        )

    def test_oneFile(self) -> None:
        """One file is one in the log, too."""
        (self.path / "bob").unlink()
        self.assertEqual(["anna"], self.names())
        self.assertEqual(
            [f"1 of the keys in {self.path} may knock, in 1 file"], self.log.lines(LogLevel.info)
        )

    def test_changes(self) -> None:
        """Files that are new, changed or gone count at once."""
        self.names()
        self.write("eve")
        self.assertEqual(["anna", "bob", "eve"], self.names())
        (self.path / "bob").write_text(LINES["bob"].replace(" bob", " bobby"))
        self.assertEqual(["anna", "bobby", "eve"], self.names())
        (self.path / "anna").unlink()
        self.assertEqual(["bobby", "eve"], self.names())

    def test_leftBehind(self) -> None:
        """What editors and package managers leave does not count, nor does a folder."""
        self.write("carl.bak", "dora~", ".fred", "#gus#", "hal.dpkg-old", "ida.rpmsave")
        (self.path / "sub").mkdir()
        (self.path / "sub" / "eve").write_text(LINES["eve"])
        self.write("john.doe", "jim@example.org", "kim.pub")
        self.assertEqual(["anna", "bob", "jim@example.org", "john.doe", "kim.pub"], self.names())

    def test_unsafeFile(self) -> None:
        """A file that others can write does not count, and the others do; the log says why once."""
        self.names()
        (self.path / "bob").chmod(0o666)
        for _ in range(3):
            self.assertEqual(["anna"], self.names())
        (line,) = self.log.lines(LogLevel.warn)
        self.assertIn("bob can be written by others: run `chmod go-w ", line)
        (self.path / "bob").chmod(0o600)
        self.assertEqual(["anna", "bob"], self.names())

    def test_unsafeFolder(self) -> None:
        """If others can write the folder, nobody may knock."""
        self.names()
        self.path.chmod(0o777)
        self.assertEqual([], self.names())
        self.assertIn("can be written by others", self.log.lines(LogLevel.error)[0])
        self.assertRaises(KeyFileError, self.folder.prepare)
        self.path.chmod(0o700)
        self.assertEqual(["anna", "bob"], self.names())

    def test_link(self) -> None:
        """A link counts if nobody else can change the file that it means."""
        unsafe = self.path.parent / f"{self.path.name}-open"
        unsafe.mkdir()
        (unsafe / "eve").write_text(LINES["eve"])
        (self.path / "eve").symlink_to(unsafe / "eve")
        self.assertEqual(["anna", "bob", "eve"], self.names())
        unsafe.chmod(0o777)
        self.assertEqual(["anna", "bob"], self.names())

    def test_gone(self) -> None:
        """If the folder is gone, nobody may knock."""
        self.names()
        self.path.rename(f"{self.path}-aside")
        self.assertEqual([], self.names())
        self.assertIn("No such file", str(self.assertRaises(KeyFileError, self.folder.prepare)))

    def test_empty(self) -> None:
        """A folder without a key is refused."""
        for name in ("anna", "bob"):
            (self.path / name).unlink()
        error = self.assertRaises(KeyFileError, self.folder.prepare)
        self.assertIn(f"no file in {self.path} has a key", str(error))


class ManyTests(KeyFolderTestCase):
    """
    A folder with more files than are looked at for each knock: here, with more than one.
    """

    def setUp(self) -> None:
        """Lower the limit, and work in slices."""
        self.patch(keyfolder, "FEW", 0)
        super().setUp()
        self.spent = 0.0
        self.folder.prepare()
        self.folder.later = Slices(self.clock, self.spend).add

    def spend(self) -> float:
        """Each step takes a slice."""
        self.spent += 1.0
        return self.spent

    def settle(self) -> list[str]:
        """Let a sweep end, and return the keys."""
        self.clock.advance(SWEEP_EVERY)
        self.folder.keys()
        self.clock.pump([2.0] * 60)
        return [key.comment for key in self.folder.keys()]

    def test_later(self) -> None:
        """A new file counts after a sweep, which does one file in a step."""
        self.write("eve")
        self.assertEqual(["anna", "bob"], self.names())
        self.assertEqual(["anna", "bob", "eve"], self.settle())

    def test_confirm(self) -> None:
        """A key whose file has changed or is gone opens nothing, even before the sweep."""
        anna, bob = self.folder.keys()
        (self.path / "anna").unlink()
        self.folder.confirm(anna)
        self.assertEqual(["bob"], [key.comment for key in self.folder.keys()])
        (self.path / "bob").chmod(0o666)
        self.folder.confirm(bob)
        self.assertEqual([], self.folder.keys())
        self.folder.confirm(bob)

    def test_confirmChanged(self) -> None:
        """A key that its file has instead counts at once, and is looked at, too."""
        anna, _ = self.folder.keys()
        (self.path / "anna").write_text(LINES["eve"])
        self.folder.confirm(anna)
        bob, eve = self.folder.keys()
        self.assertEqual(("bob", "eve"), (bob.comment, eve.comment))
        (self.path / "anna").unlink()
        self.folder.confirm(eve)
        self.assertEqual([bob], self.folder.keys())
        self.assertEqual(["bob"], self.settle())

    def test_fewBecomeMany(self) -> None:
        """If very many files appear at once, they are read in slices."""
        self.patch(keyfolder, "FEW", 3)
        names = [f"user{number}" for number in range(30)]
        self.write(*names)
        self.assertLess(len(self.names()), 10)
        self.assertEqual(32, len(self.settle()))


class PathTests(KeyFolderTestCase):
    """
    A path is a file or a folder.
    """

    def test_open(self) -> None:
        """What is not there yet is a file, until it becomes a folder."""
        new = str(self.path / "new")
        source = openKeys(new)
        self.assertIsInstance(source, KeyFile)
        self.assertFalse(isStale(source, new))
        Path(new).mkdir()
        self.assertTrue(isStale(source, new))
        self.assertIsInstance(openKeys(new), KeyFolder)

    def test_readAll(self) -> None:
        """The check reads both, and has a sentence for each file and kind of fault."""
        (self.path / "bob").write_text("nonsense\n" * 500 + LINES["bob"])
        self.write("eve")
        (self.path / "eve").chmod(0o666)
        keys, complaints = readAll(str(self.path))
        self.assertEqual(["anna", "bob"], [key.comment for key in keys])
        unsafe, bad = complaints
        self.assertIn("eve can be written by others", unsafe)
        self.assertIn("bob, line 1, and 499 more like it", bad)
        self.assertEqual(1, len(readAll(str(self.path / "anna"))[0]))
        self.path.chmod(0o777)
        self.assertRaises(KeyFileError, readAll, str(self.path))
