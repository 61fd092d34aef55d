"""Tests of L{pkdoors.files.acl}."""

import os
import struct
from pathlib import Path
from stat import S_IMODE

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.files.acl import NAME, READ, WRITE, letOwnerAndGroup

GROUP = 48123


class ACLTests(SynchronousTestCase):
    """
    Lists of a file.
    """

    def setUp(self) -> None:
        """Make a file that everybody can use."""
        self.path = Path(self.mktemp())
        self.path.touch()
        self.path.chmod(0o666)

    def entries(self) -> dict[tuple[int, int], int]:
        """Return the rights of each entry: its kind and its number."""
        value = os.getxattr(self.path, NAME)
        found = (struct.unpack_from("<HHI", value, at) for at in range(4, len(value), 8))
        return {(kind, number): rights for kind, rights, number in found}

    def test_list(self) -> None:
        """The owner and one group may use it, and nobody else."""
        letOwnerAndGroup(self.path, READ + WRITE, GROUP, READ)
        nobody = 0xFFFFFFFF
        expected = {
            (0x01, nobody): READ + WRITE,
            (0x04, nobody): 0,
            (0x08, GROUP): READ,
            (0x10, nobody): READ,
            (0x20, nobody): 0,
        }
        self.assertEqual(expected, self.entries())
        self.assertEqual(0o640, S_IMODE(self.path.stat().st_mode))

    def test_again(self) -> None:
        """Another list takes its place."""
        letOwnerAndGroup(self.path, READ, GROUP, READ)
        letOwnerAndGroup(self.path, READ + WRITE, GROUP + 1, READ + WRITE)
        self.assertNotIn((0x08, GROUP), self.entries())

    def test_missing(self) -> None:
        """If it cannot be changed, an error says so."""
        self.path.unlink()
        self.assertRaises(FileNotFoundError, letOwnerAndGroup, self.path, READ, GROUP, READ)
