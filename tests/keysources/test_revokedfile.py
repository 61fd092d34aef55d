"""Tests of L{pkdoors.keysources.revokedfile}."""

import errno
import os
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.keysources import revokedfile
from pkdoors.keysources.revokedfile import (
    FRESH,
    MAX_BYTES,
    RevokedFile,
    RevokedFileError,
    readRevoked,
)
from pkdoors.locks.sealed.revocations import MAGIC
from tests.fakes.log import Log
from tests.lab.sealing import makeKey, publicLine
from tests.locks.sealed.case import authorized

KEYS = {name: makeKey() for name in ("anna", "bob")}
LINES = {name: publicLine(key, name) for name, key in KEYS.items()}


class RevokedFileTests(SynchronousTestCase):
    """
    Tests of L{RevokedFile}.
    """

    def setUp(self) -> None:
        """Revoke Anna's key. Not in trial's folder: others may be able to write there."""
        self.log = Log(self)
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        self.path = folder / "revoked"
        self.write(LINES["anna"])
        self.clock = Clock()
        self.file = RevokedFile(str(self.path), self.clock.seconds)
        self.keys = {key.comment: key for key in authorized(*LINES.values())}

    def write(self, text: str | bytes) -> None:
        """Write the file."""
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.path.chmod(0o600)

    def refusal(self, name: str) -> str:
        """Return why a key may not knock, after the last look at the file has expired."""
        self.clock.advance(2 * FRESH)
        return self.file.findRefusal(self.keys[name])

    def test_revoked(self) -> None:
        """The keys of the file may not knock, and others may."""
        self.assertEqual(f"the key of {self.keys['anna']} is revoked", self.refusal("anna"))
        self.assertEqual("", self.refusal("bob"))
        self.assertEqual([f"{self.path} revokes keys with 1 entry"], self.log.lines())

    def test_changes(self) -> None:
        """The file is read again when it changes, and only then."""
        self.refusal("anna")
        self.write(LINES["bob"])
        self.assertEqual("", self.refusal("anna"))
        self.assertIn("is revoked", self.refusal("bob"))
        self.assertEqual(2, len(self.log.lines()))

    def test_seldomLooks(self) -> None:
        """Under a flood, the file is looked at now and then."""
        self.refusal("anna")
        self.write("")
        self.assertNotEqual("", self.file.findRefusal(self.keys["anna"]))
        self.clock.advance(1.5 * FRESH)
        self.assertEqual("", self.file.findRefusal(self.keys["anna"]))

    def assertClosed(self, why: str) -> None:
        """Assert that nobody may knock for a reason, and that the log has it once."""
        for _ in range(2):
            for name in KEYS:
                found = self.refusal(name)
                self.assertTrue(found.startswith("nobody may knock with a key: "), found)
                self.assertIn(why, found)
        self.assertEqual(1, len(self.log.lines(LogLevel.error)))
        error = self.assertRaises(RevokedFileError, self.file.prepare)
        self.assertTrue(error.isLogged)

    def test_missing(self) -> None:
        """Without the file nobody may knock, until it is there again."""
        self.path.unlink()
        self.assertClosed("cannot read")
        self.write("")
        self.assertEqual("", self.refusal("anna"))
        self.file.prepare()

    def test_becomesBad(self) -> None:
        """The same happens if it is damaged while the daemon runs."""
        self.assertEqual("", self.refusal("bob"))
        for bad in (b"nonsense", MAGIC, LINES["anna"].encode() + b"ssh-ed25519 x"):
            self.write(bad)
            self.assertIn("cannot use the revoked keys in", self.refusal("bob"))
        self.write("")
        self.assertEqual("", self.refusal("bob"))

    def test_othersWrite(self) -> None:
        """A file that others can change is not believed."""
        self.path.chmod(0o666)
        self.assertClosed("others")

    def test_large(self) -> None:
        """A file that takes too long to read is refused."""
        self.write(b"#" * (MAX_BYTES + 1))
        self.assertClosed("cannot read")

    def test_unreadable(self) -> None:
        """A file that the service may not read closes, too, and the sentence says what to do."""

        def refuse(*_: object) -> None:  # root may read everything
            raise PermissionError(errno.EACCES, "Permission denied")

        self.patch(revokedfile, "readFile", refuse)
        self.assertClosed("install-service")

    def test_pipe(self) -> None:
        """A pipe is not waited for."""
        self.path.unlink()
        os.mkfifo(self.path, 0o600)
        self.assertRaises(RevokedFileError, readRevoked, self.path)
