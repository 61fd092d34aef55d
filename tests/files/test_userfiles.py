"""Tests of L{pkdoors.files.userfiles}."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.files.reading import MAX_BYTES
from pkdoors.files.userfiles import Contents, readFile


class ReadFileTests(SynchronousTestCase):
    """
    Tests of L{readFile} and L{Contents}.
    """

    def setUp(self) -> None:
        """Make a file."""
        self.path = Path(self.mktemp())
        self.path.write_bytes(b"secret")

    def read(self, mode: int) -> Contents:
        """Read the file with some mode."""
        self.path.chmod(mode)
        found = readFile(str(self.path))
        assert found is not None
        return found

    def test_own(self) -> None:
        """A file that only its owner can read is accepted as a secret."""
        for mode in (0o600, 0o400, 0o700):
            self.assertEqual(b"secret", self.read(mode).secret())

    def test_exposed(self) -> None:
        """A secret that others can read or change is refused, with the command that fixes it."""
        for mode in (0o640, 0o604, 0o620, 0o644, 0o601):
            error = self.assertRaises(BadValue, self.read(mode).secret)
            self.assertEqual(
                f"others can read or change it: run `chmod 600 {self.path}`", str(error), oct(mode)
            )

    def test_quoted(self) -> None:
        """The command can be pasted into a shell, whatever the path."""
        error = self.assertRaises(BadValue, Contents("a b", b"", True).secret)
        self.assertIn("chmod 600 'a b'", str(error))

    def test_exposedButPublic(self) -> None:
        """A file without a secret may be readable by others."""
        self.assertEqual(b"secret", self.read(0o644).data)

    def test_notOwn(self) -> None:
        """Files of other users are for them to protect."""
        self.patch(os, "getuid", lambda: 12345)
        self.assertEqual(b"secret", self.read(0o644).secret())

    def test_foreign(self) -> None:
        """A file of another user that not only that user can change is refused as a key."""
        self.read(0o666).checkOwner()
        self.patch(os, "getuid", lambda: 12345)
        for mode, isRefused in ((0o644, False), (0o600, False), (0o666, True), (0o664, True)):
            found = self.read(mode)
            self.assertEqual(isRefused, found.isForeign)
            if isRefused:
                error = self.assertRaises(BadValue, found.checkOwner)
                self.assertIn("it belongs to another user, and not only that", str(error))
            else:
                found.checkOwner()

    def test_noPath(self) -> None:
        """A path that is invalid gives a sentence."""
        error = self.assertRaises(BadValue, readFile, "a\0b")
        self.assertEqual("it cannot be read: its path has a null byte", str(error))

    def test_missing(self) -> None:
        """A missing file gives L{None}."""
        self.assertIsNone(readFile(str(self.path) + "x"))

    def test_unreadable(self) -> None:
        """A file that cannot be read gives one sentence with the reason."""
        error = self.assertRaises(BadValue, readFile, ".")
        self.assertEqual("it cannot be read: Is a directory", str(error))
        self.assertRaises(BadValue, readFile, "a\0b")

    def test_bound(self) -> None:
        """
        A file with more than L{MAX_BYTES} bytes is refused: its beginning alone would mislead.
        """
        self.path.write_bytes(bytes(MAX_BYTES))
        self.assertEqual(MAX_BYTES, len(self.read(0o600).data))
        self.path.write_bytes(bytes(MAX_BYTES + 1))
        error = self.assertRaises(BadValue, readFile, str(self.path))
        self.assertEqual(
            "it cannot be read: it has more than the 1048576 bytes that are allowed",
            str(error),
        )

    def test_noUsers(self) -> None:
        """A system without the users of UNIX has no modes that could expose a file."""
        self.patch(os, "getuid", None)
        del os.getuid
        found = self.read(0o666)
        found.checkOwner()
        self.assertEqual(b"secret", found.secret())

    def test_repr(self) -> None:
        """The contents of a file do not get into a log."""
        self.assertNotIn("secret", repr(self.read(0o600)))
