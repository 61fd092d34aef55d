"""Tests of L{pkdoors.host.serviceuser}."""

import grp
import os
import pwd
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host import serviceuser
from pkdoors.host.serviceuser import actAsOwner, findServiceGroup, letRead, openOwn
from tests.fakes.modules import SERVICE, haveService


class GroupTests(SynchronousTestCase):
    """
    Tests of L{findServiceGroup}.
    """

    def test_byName(self) -> None:
        """It is the group of that name, with any number."""

        def find(name: str) -> grp.struct_group:
            self.assertEqual("pkdoors", name)
            return grp.struct_group((name, "x", SERVICE, []))

        self.patch(grp, "getgrnam", find)
        self.assertEqual(SERVICE, findServiceGroup())

    def test_none(self) -> None:
        """A host without the group has no service."""

        def find(name: str) -> grp.struct_group:
            raise KeyError(name)

        self.patch(grp, "getgrnam", find)
        self.assertIsNone(findServiceGroup())


class OpenOwnTests(SynchronousTestCase):
    """
    Tests of L{openOwn}.
    """

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def test_private(self) -> None:
        """Only its owner may use a new file; an existing one is opened."""
        path = self.folder / "file"
        for text in (b"one", b"two"):
            descriptor = openOwn(path, os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, text)
            os.close(descriptor)
        self.assertEqual((b"onetwo", 0o600), (path.read_bytes(), path.stat().st_mode & 0o7777))

    def test_noLink(self) -> None:
        """A link is not followed."""
        (self.folder / "file").symlink_to(self.folder / "other")
        self.assertRaises(OSError, openOwn, self.folder / "file", os.O_WRONLY)
        self.assertFalse((self.folder / "other").exists())

    def test_hardLink(self) -> None:
        """A file with another name is refused before it is changed."""
        victim = self.folder / "victim"
        victim.write_text("precious")
        os.link(victim, self.folder / "file")
        before = victim.stat()
        error = self.assertRaises(OSError, openOwn, self.folder / "file", os.O_WRONLY | os.O_TRUNC)
        self.assertEqual("it has other names, too: it is a hard link", error.strerror)
        self.assertEqual("precious", victim.read_text())
        self.assertEqual(before.st_uid, victim.stat().st_uid)

    def test_noFile(self) -> None:
        """Anything but a file is refused at once, without waiting, and closed."""
        os.mkfifo(self.folder / "file")
        before = os.listdir("/proc/self/fd")
        error = self.assertRaises(OSError, openOwn, self.folder / "file", os.O_RDWR)
        self.assertEqual("it is not a regular file", error.strerror)
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))

    def test_truncated(self) -> None:
        """A file that is to start empty is emptied."""
        path = self.folder / "file"
        path.write_text("old")
        os.close(openOwn(path, os.O_WRONLY | os.O_TRUNC))
        self.assertEqual("", path.read_text())


class AsItsOwnerTests(SynchronousTestCase):
    """
    Tests of L{actAsOwner}, and of L{openOwn} in a folder of the service's.
    """

    if os.getuid() != 0:
        skip = "these tests give files to a user: run them as root (sudo script/test)"

    def setUp(self) -> None:
        """Make a service, and a folder of its own beside one of root's, which it can enter."""
        self.folder = haveService(self)
        self.roots = self.folder.parent / "root"
        self.roots.mkdir()

    def owner(self, path: Path) -> tuple[int, int]:
        """Return user and group of a file."""
        return path.stat().st_uid, path.stat().st_gid

    def test_heir(self) -> None:
        """
        A file that root creates there belongs to the service, although nobody else may read it.
        """
        os.close(openOwn(self.folder / "file", os.O_WRONLY))
        self.assertEqual((SERVICE, SERVICE), self.owner(self.folder / "file"))
        self.assertEqual(0o600, (self.folder / "file").stat().st_mode & 0o7777)

    def test_rootsFolder(self) -> None:
        """In a folder of root's the file is root's."""
        os.close(openOwn(self.roots / "file", os.O_WRONLY))
        self.assertEqual((0, 0), self.owner(self.roots / "file"))

    def test_othersFolder(self) -> None:
        """In a folder of any other user it is root's, too: others must not have it."""
        os.chown(self.folder, SERVICE + 1, SERVICE + 1)
        os.close(openOwn(self.folder / "file", os.O_WRONLY))
        self.assertEqual(0, self.owner(self.folder / "file")[0])

    def test_noService(self) -> None:
        """Without a service nothing changes owners."""

        def find(name: str) -> pwd.struct_passwd:
            raise KeyError(name)

        self.patch(pwd, "getpwnam", find)
        os.close(openOwn(self.folder / "file", os.O_WRONLY))
        self.assertEqual(0, self.owner(self.folder / "file")[0])

    def test_notHeeded(self) -> None:
        """If root cannot act for the service, nothing is created."""

        class Deaf:
            def setfsuid(self, user: int) -> int:
                return 0

            setfsgid = setfsuid

        self.patch(serviceuser, "_libc", Deaf())
        self.assertRaises(PermissionError, openOwn, self.folder / "file", os.O_WRONLY)
        self.assertEqual([], [*self.folder.iterdir()])

    def test_victims(self) -> None:
        """Links of the service do not change root's files."""
        for link in (os.link, os.symlink):
            victim, name = self.roots / link.__name__, self.folder / f"{link.__name__}.new"
            victim.write_text("precious")
            victim.chmod(0o644)
            link(victim, name)
            self.assertRaises(OSError, openOwn, name, os.O_WRONLY | os.O_TRUNC)
            with actAsOwner(self.folder):
                self.assertRaises(PermissionError, os.chmod, name, 0o600)
            self.assertEqual("precious", victim.read_text())
            self.assertEqual((0, 0o644), (victim.stat().st_uid, victim.stat().st_mode & 0o777))

    def test_lastName(self) -> None:
        """A link to a file that has lost its first name does not change that file's owner."""
        victim, name = self.roots / "victim", self.folder / "way"
        victim.write_text("secret")
        victim.chmod(0o600)
        os.link(victim, name)
        victim.unlink()
        self.assertRaises(OSError, openOwn, name, os.O_WRONLY)
        self.assertEqual((0, 0), self.owner(name))

    def test_afterwards(self) -> None:
        """Afterwards root is root again, whatever happened; and for all else it always was."""
        for name in ("file", "nowhere/file"):
            try:
                with actAsOwner(self.folder):
                    self.assertEqual(0, os.geteuid())
                    self.assertFalse(self.canRead(self.roots))
                    (self.folder / name).touch()
            except FileNotFoundError:
                pass
            self.assertTrue(self.canRead(self.roots))
            (self.roots / "file").touch()
            self.assertEqual((0, 0), self.owner(self.roots / "file"))

    def canRead(self, folder: Path) -> bool:
        """Return whether root's secrets can be read."""
        secret = folder / "secret"
        try:
            if not secret.exists():
                secret.touch(0o600)
            secret.read_text()
        except PermissionError:
            return False
        return True


class LetReadTests(SynchronousTestCase):
    """
    Tests of L{letRead}.
    """

    if os.getuid() != 0:
        skip = "these tests give files to a group: run them as root (sudo script/test)"

    def setUp(self) -> None:
        """Make a service."""
        group = grp.struct_group(("pkdoors", "x", SERVICE, []))
        self.patch(grp, "getgrnam", lambda name: group)
        self.path = Path(self.mktemp())

    def letRead(self) -> tuple[int, int, int]:
        """Return owner, group and mode afterwards."""
        descriptor = os.open(self.path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        self.assertTrue(letRead(descriptor))
        status = self.path.stat()
        return status.st_uid, status.st_gid, status.st_mode & 0o7777

    def test_file(self) -> None:
        """The service may read a file, not write it, and nobody else may do either."""
        self.path.touch()
        for mode in (0o600, 0o666, 0o777):
            self.path.chmod(mode)
            self.assertEqual((0, SERVICE, mode & 0o700 | 0o040), self.letRead())

    def test_folder(self) -> None:
        """In a folder, the service may read the files."""
        self.path.mkdir(0o777)
        self.assertEqual((0, SERVICE, 0o750), self.letRead())
