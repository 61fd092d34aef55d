"""Tests of L{pkdoors.keysources.keyfile}."""

import errno
import os
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.keysources import keyreader
from pkdoors.keysources.keyfile import FRESH, KeyFile, readKeys
from pkdoors.keysources.keyreader import AT_ONCE, MAX_BYTES, KeyFileError, Work
from tests.fakes.log import Log
from tests.lab.sealing import makeKey, publicLine

ANNA = publicLine(makeKey(), "anna")
BOB = publicLine(makeKey(), "bob, who is new")


def commentsOf(path: Path) -> list[str]:
    """Return the comments of the keys that may knock."""
    return [key.comment for key in readKeys(path)[0]]


class KeyFileTestCase(SynchronousTestCase):
    """A test with a file that has Anna's key, in a folder that only we can write."""

    def setUp(self) -> None:
        """Make the file. Not in trial's folder: others may be able to write there."""
        self.log = Log(self)
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.path = self.folder / "keys"
        self.path.write_text(ANNA)
        self.path.chmod(0o600)
        self.clock = Clock()
        self.file = KeyFile(str(self.path), self.clock.seconds)

    def names(self) -> list[str]:
        """Return the keys that may knock, after the last look at the file has expired."""
        self.clock.advance(2 * FRESH)
        return [key.comment for key in self.file.keys()]

    def errors(self) -> list[str]:
        """Return the errors in the log."""
        return self.log.lines(LogLevel.error)

    def giveAway(self, path: Path) -> None:
        """Give a file to a user who is neither root nor ourselves."""
        if os.geteuid() == 0:
            os.chown(path, 65_534, -1)
        else:
            us = os.geteuid()
            self.patch(os, "geteuid", lambda: us + 1)


class ReadKeysTests(KeyFileTestCase):
    """
    Tests of L{readKeys}.
    """

    def refused(self) -> str:
        """
        Return why the file is not read, with C{KEYS} for its path, C{FOLDER} for its folder's.
        """
        line = str(self.assertRaises(KeyFileError, readKeys, self.path))
        return line.replace(str(self.path), "KEYS").replace(str(self.folder), "FOLDER")

    def test_safe(self) -> None:
        """A file that only we can write is read, even if others can read it."""
        for mode in (0o400, 0o600, 0o644, 0o755):
            self.path.chmod(mode)
            self.assertEqual(["anna"], commentsOf(self.path))

    def test_othersWrite(self) -> None:
        """A file that its group, or anybody, can write is not read; the error says what to do."""
        for mode in (0o620, 0o602, 0o666):
            self.path.chmod(mode)
            self.assertEqual("KEYS can be written by others: run `chmod go-w KEYS`", self.refused())

    def test_othersReplace(self) -> None:
        """Nor is a file in a folder that others can write."""
        for mode in (0o770, 0o702):
            self.folder.chmod(mode)
            self.assertEqual(
                "FOLDER can be written by others: run `chmod go-w FOLDER`", self.refused()
            )

    def test_folderAbove(self) -> None:
        """Nor is a file below such a folder."""
        self.path = self.folder / "sub" / "keys"
        self.path.parent.mkdir()
        self.path.write_text(ANNA)
        self.folder.chmod(0o777)
        self.assertIn("FOLDER can be written by others", self.refused())

    def test_sticky(self) -> None:
        """A folder like /tmp, where nobody can replace another user's file, is fine."""
        self.folder.chmod(0o1777)
        self.assertEqual(["anna"], commentsOf(self.path))

    def test_stickyFile(self) -> None:
        """The sticky bit of a file does not count."""
        self.path.chmod(0o1666)
        self.assertIn("KEYS can be written by others", self.refused())

    def test_otherOwner(self) -> None:
        """A file of another user is not read: that user could write it."""
        self.giveAway(self.path)
        self.assertEqual("KEYS belongs to another user: run `chown root KEYS`", self.refused())

    def test_link(self) -> None:
        """A link is as safe as its target."""
        link = self.folder / "link"
        link.symlink_to(self.path)
        self.assertEqual(["anna"], commentsOf(link))
        self.path.chmod(0o666)
        self.assertIn("KEYS can be written", self.refused())

    def test_linkElsewhere(self) -> None:
        """The folder of a link's target counts, too."""
        folder = self.folder / "unsafe"
        folder.mkdir()
        self.path.rename(folder / "keys")
        folder.chmod(0o777)
        self.path.symlink_to(folder / "keys")
        self.assertIn("FOLDER/unsafe can be written by others", self.refused())

    def test_linkInBetween(self) -> None:
        """So does the folder of each link on the way: whoever can change it chooses the file."""
        folder = self.folder / "unsafe"
        folder.mkdir()
        self.path.rename(self.folder / "real")
        (folder / "link").symlink_to("../real")
        self.path.symlink_to("unsafe/link")
        self.assertEqual(["anna"], commentsOf(self.path))
        folder.chmod(0o777)
        self.assertIn("FOLDER/unsafe can be written by others", self.refused())

    def test_linkOfOthers(self) -> None:
        """Nor may a link belong to another user, as it can in a folder like /tmp."""
        if os.getuid():
            raise SkipTest("this test gives a link away: run it as root (sudo script/test)")
        self.path.rename(self.folder / "real")
        self.path.symlink_to("real")
        os.chown(self.path, 65_534, -1, follow_symlinks=False)
        self.assertEqual("KEYS belongs to another user: run `chown -h root KEYS`", self.refused())

    def test_linkCircle(self) -> None:
        """A link to itself is one sentence."""
        self.path.unlink()
        self.path.symlink_to(self.path)
        self.assertEqual(
            "cannot read KEYS (Too many levels of symbolic links), "
            "the file of authorized keys: fill it with lines from ssh-keygen's .pub files",
            self.refused(),
        )

    def test_missing(self) -> None:
        """A missing file is one sentence, and so is a folder."""
        self.path.unlink()
        self.assertEqual(
            "cannot read KEYS (No such file or directory), "
            "the file of authorized keys: fill it with lines from ssh-keygen's .pub files",
            self.refused(),
        )
        self.path.mkdir(0o700)
        self.assertEqual(
            "cannot read KEYS (Is a directory), "
            "the file of authorized keys: fill it with lines from ssh-keygen's .pub files",
            self.refused(),
        )

    def test_unreadable(self) -> None:
        """If we may not read the file, the sentence says how the service can."""

        def refuse(path: Path, *limits: int) -> object:
            raise PermissionError(errno.EACCES, "Permission denied")

        self.patch(keyreader, "readFile", refuse)
        self.assertEqual(
            "cannot read KEYS (Permission denied), the file of authorized keys: "
            "`pkdoors install-service` lets the service read it, but not below /home or /root",
            self.refused(),
        )

    def test_large(self) -> None:
        """A file that is too large is refused."""
        self.path.write_bytes(MAX_BYTES * b"#")
        self.assertEqual(([], []), readKeys(self.path))
        self.path.write_bytes(MAX_BYTES * b"#" + b"\n")
        self.assertIn(
            "cannot read KEYS (it has more than the 8388608 bytes that are allowed)",
            self.refused(),
        )

    def test_binary(self) -> None:
        """Bytes that are not text do no harm to other lines."""
        self.path.write_bytes(b"\xff\xfd\0 x\n" + ANNA.encode())
        self.assertEqual(["anna"], self.names())
        self.assertEqual(1, len(self.log.lines(LogLevel.warn)))


class KeysTests(KeyFileTestCase):
    """
    Tests of L{KeyFile.keys}.
    """

    def test_keys(self) -> None:
        """The keys of the file may knock, and one line says how many they are."""
        self.assertEqual(["anna"], self.names())
        self.assertEqual([f"1 of the keys in {self.path} may knock"], self.log.lines())

    def test_readOnce(self) -> None:
        """As long as the file is the same, it is not read again."""
        self.assertIs(self.file.keys(), self.file.keys())
        self.assertEqual(1, len(self.log.lines()))

    def test_changed(self) -> None:
        """A new key may knock at once, and a removed one may not."""
        self.names()
        self.path.write_text(ANNA + BOB)
        self.assertEqual(["anna", "bob, who is new"], self.names())
        self.path.write_text(BOB)
        self.assertEqual(["bob, who is new"], self.names())
        self.assertEqual(3, len(self.log.lines(LogLevel.info)))

    def test_replaced(self) -> None:
        """The same is true if another file replaces it, as editors do, with the same times."""
        self.names()
        new = self.folder / "new"
        new.write_text(ANNA.replace("anna", "ANNA"))
        times = self.path.stat()
        os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        new.replace(self.path)
        self.assertEqual(["ANNA"], self.names())

    def test_linkMoved(self) -> None:
        """The same is true if a link gets another target."""
        other, link = self.folder / "other", self.folder / "link"
        other.write_text(BOB)
        link.symlink_to(self.path)
        self.file = KeyFile(str(link), self.clock.seconds)
        self.names()
        link.unlink()
        link.symlink_to(other)
        self.assertEqual(["bob, who is new"], self.names())

    def test_fresh(self) -> None:
        """A look at the file holds for a hundredth of a second, and no longer."""
        self.names()
        self.path.write_text("")
        self.clock.advance(FRESH / 2)
        self.assertEqual(["anna"], [key.comment for key in self.file.keys()])
        self.clock.advance(FRESH)
        self.assertEqual([], self.file.keys())

    def test_emptied(self) -> None:
        """If all keys are removed, nobody may knock."""
        self.names()
        self.path.write_text("")
        self.assertEqual([], self.names())

    def test_badLine(self) -> None:
        """
        A bad line causes one warning for each version of the file, and does not affect other lines.
        """
        self.path.write_text("nonsense\n" + ANNA)
        for _ in range(3):
            self.assertEqual(["anna"], self.names())
        (line,) = self.log.lines(LogLevel.warn)
        self.assertTrue(line.startswith(f"{self.path}, line 1: this key is refused: "), line)

    def test_braces(self) -> None:
        """Braces in the file are not taken for a log format."""
        self.path.write_text(f'from="{{path}}" {ANNA}')
        self.names()
        self.assertIn("'{path}' is not an address", self.log.lines(LogLevel.warn)[0])

    def test_othersWrite(self) -> None:
        """As soon as others can write the file, nobody may knock."""
        self.names()
        self.path.chmod(0o666)
        self.assertEqual([], self.names())
        self.assertEqual(
            [
                f"nobody may knock with a key: {self.path} can be written by others: "
                f"run `chmod go-w {self.path}`"
            ],
            self.errors(),
        )

    def test_otherOwner(self) -> None:
        """The same is true if the file is given to another user."""
        if os.geteuid() != 0:
            self.path.chmod(0o622)  # only root can give the file away
        else:
            self.names()
            self.giveAway(self.path)
        self.assertEqual([], self.names())
        self.assertEqual(1, len(self.errors()))

    def test_othersReplace(self) -> None:
        """
        A file that another user puts in its place, once others can write the folder, is not used.
        """
        self.names()
        self.folder.chmod(0o777)
        self.path.write_text(BOB)
        self.assertEqual([], self.names())
        self.assertIn(f"{self.folder} can be written by others", self.errors()[0])

    def test_gone(self) -> None:
        """If the file is gone, nobody may knock."""
        self.names()
        self.path.unlink()
        self.assertEqual([], self.names())
        self.assertIn("No such file or directory", self.errors()[0])

    def test_complaintOnce(self) -> None:
        """A fault is logged once, however many clients knock."""
        self.path.unlink()
        for _ in range(5):
            self.assertEqual([], self.names())
        self.assertEqual(1, len(self.log.lines()))

    def test_otherComplaint(self) -> None:
        """Another fault is logged, too."""
        self.path.chmod(0o666)
        self.names()
        self.path.unlink()
        self.names()
        self.assertEqual(2, len(self.errors()))

    def test_recovers(self) -> None:
        """After a repair the same file is read again; if it breaks again, that is logged again."""
        self.names()
        for _ in range(2):
            self.folder.chmod(0o777)
            self.path.write_text(BOB if self.path.read_text() == ANNA else ANNA)
            self.assertEqual([], self.names())
            self.folder.chmod(0o700)
            self.assertEqual(1, len(self.names()))
        self.assertEqual((2, 3), (len(self.errors()), len(self.log.lines(LogLevel.info))))

    def test_folderMended(self) -> None:
        """If only the folder was unsafe and is repaired, the untouched file counts again."""
        self.names()
        self.folder.chmod(0o777)
        self.assertEqual([], self.names())
        self.folder.chmod(0o700)
        self.assertEqual(["anna"], self.names())

    def test_comesBack(self) -> None:
        """The same file, moved away and back, counts again."""
        self.names()
        self.path.rename(self.folder / "aside")
        self.assertEqual([], self.names())
        (self.folder / "aside").rename(self.path)
        self.assertEqual(["anna"], self.names())


class PrepareTests(KeyFileTestCase):
    """
    Tests of L{KeyFile.prepare}.
    """

    def test_prepare(self) -> None:
        """A file with a key can be used."""
        self.file.prepare()
        self.assertEqual([], self.errors())

    def test_unsafe(self) -> None:
        """
        An unsafe or missing file is refused; each fault is logged once, and each call looks again.
        """
        self.path.chmod(0o666)
        for _ in range(2):
            error = self.assertRaises(KeyFileError, self.file.prepare)
            self.assertIn("written by others", str(error))
            self.assertTrue(error.isLogged)
        self.path.unlink()
        self.assertIn("No such file", str(self.assertRaises(KeyFileError, self.file.prepare)))
        self.assertEqual(2, len(self.log.lines()))

    def test_unreadable(self) -> None:
        """If we may not read the file, the error does not say that it has no key."""

        def refuse(path: Path, *limits: int) -> object:
            raise PermissionError(errno.EACCES, "Permission denied")

        self.patch(keyreader, "readFile", refuse)
        line = str(self.assertRaises(KeyFileError, self.file.prepare))
        self.assertIn(f"cannot read {self.path} (Permission denied), the file", line)

    def test_noKeys(self) -> None:
        """A file without a key is refused: nobody could open the door."""
        for text in ("", "# nobody yet\n"):
            self.path.write_text(text)
            self.assertEqual(
                f"{self.path} has no key that may knock: add lines from ssh-keygen's .pub files",
                str(self.assertRaises(KeyFileError, self.file.prepare)),
            )

    def test_noneGood(self) -> None:
        """If there are lines, the error has the reason why the first one is refused."""
        self.path.write_text("# mine\nnonsense\nrestrict " + publicLine(makeKey()))
        self.assertEqual(
            f"{self.path}, line 2: this key is refused: it has no key: "
            "use a line from one of ssh-keygen's .pub files",
            str(self.assertRaises(KeyFileError, self.file.prepare)),
        )


class LargeTests(KeyFileTestCase):
    """
    A file with very many new lines, which are parsed in slices.
    """

    def setUp(self) -> None:
        """Keep the work back."""
        super().setUp()
        self.work: list[Work] = []
        self.names()
        self.file.later = self.work.append
        self.many = [publicLine(makeKey(), f"user{number}") for number in range(AT_ONCE + 1)]

    def write(self, *lines: str) -> list[str]:
        """Write some lines, and return the names that count then."""
        self.path.write_text("".join(lines))
        return self.names()

    def test_later(self) -> None:
        """The keys that were there go on counting, and new ones count when all are parsed."""
        self.assertEqual(["anna"], self.write(ANNA, *self.many))
        self.assertEqual((1, ["anna"]), (len(self.work), self.names()))
        steps = len([*self.work[0]])
        self.assertEqual((len(self.many), AT_ONCE + 2), (steps, len(self.names())))
        self.assertEqual(2, len(self.log.lines(LogLevel.info)))

    def test_gone(self) -> None:
        """A key whose line is gone counts no longer at once."""
        self.assertEqual([], self.write(*self.many))
        self.file.prepare()  # it has no keys yet, but will have

    def test_fewAtOnce(self) -> None:
        """Few new lines are parsed at once."""
        self.assertEqual(AT_ONCE + 1, len(self.write(ANNA, *self.many[:AT_ONCE])))
        self.assertEqual([], self.work)

    def test_changedMeanwhile(self) -> None:
        """If the file changes meanwhile, the former content never counts."""
        self.write(ANNA, *self.many)
        next(self.work[0])
        self.assertEqual([], self.write(*self.many[1:], BOB))
        for work in self.work:
            for _ in work:
                pass
        self.assertEqual(AT_ONCE + 1, len(self.names()))
        self.assertNotIn("user0", self.names())

    def test_unsafeMeanwhile(self) -> None:
        """If others can write the file meanwhile, nobody may knock, also when all are parsed."""
        self.write(ANNA, *self.many)
        next(self.work[0])
        self.path.chmod(0o666)
        self.assertEqual([], self.names())
        self.assertEqual([], [*self.work[0]])
        self.assertEqual([], self.names())
