"""Tests of L{pkdoors.serviceuser}."""

import grp
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.serviceuser import letRead, openOwn, serviceGroup

SERVICE = 61234


class GroupTests(SynchronousTestCase):
    """
    Tests of L{serviceGroup}.
    """

    def test_byName(self) -> None:
        """It is the group of that name, whatever its number is."""

        def find(name: str) -> grp.struct_group:
            self.assertEqual("pkdoors", name)
            return grp.struct_group((name, "x", SERVICE, []))

        self.patch(grp, "getgrnam", find)
        self.assertEqual(SERVICE, serviceGroup())

    def test_none(self) -> None:
        """A host without it has no service."""

        def find(name: str) -> grp.struct_group:
            raise KeyError(name)

        self.patch(grp, "getgrnam", find)
        self.assertIsNone(serviceGroup())


class OpenOwnTests(SynchronousTestCase):
    """
    Tests of L{openOwn}.
    """

    def setUp(self) -> None:
        """Have a folder."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def test_private(self) -> None:
        """A new file is its owner's alone; one that is there is opened."""
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

    def test_heir(self) -> None:
        """What root makes in a folder of the service's is the service's."""
        if os.getuid():
            self.assertEqual(os.getuid(), self.folder.stat().st_uid)
        else:
            os.chown(self.folder, SERVICE, SERVICE)
        os.close(openOwn(self.folder / "file", os.O_WRONLY))
        made, folder = (self.folder / "file").stat(), self.folder.stat()
        self.assertEqual((folder.st_uid, folder.st_gid), (made.st_uid, made.st_gid))


class LetReadTests(SynchronousTestCase):
    """
    Tests of L{letRead}.
    """

    if os.getuid() != 0:
        skip = "these tests give files to a group: run them as root (sudo script/test)"

    def setUp(self) -> None:
        """Have the service."""
        group = grp.struct_group(("pkdoors", "x", SERVICE, []))
        self.patch(grp, "getgrnam", lambda name: group)
        self.path = Path(self.mktemp())

    def letRead(self) -> tuple[int, int, int]:
        """Owner, group and mode then."""
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
        """In a folder it may read what is there."""
        self.path.mkdir(0o777)
        self.assertEqual((0, SERVICE, 0o750), self.letRead())
