"""Tests of L{pkdoors.knocks.digests}."""

import hashlib
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import pkdoors
from pkdoors.knocks import digests

_HIDDEN = """
import sys
for name in sys.argv[1:]:
    sys.modules[name] = None
from pkdoors.knocks.digests import sha256, sha512
print(sha256(b"knock").hexdigest(), sha512(b"knock").hexdigest(), "_hashlib" in sys.modules)
"""
"""Hide modules, and print two digests, and whether OpenSSL's library is loaded."""


class DigestTests(SynchronousTestCase):
    """
    The functions are those of C{hashlib}.
    """

    def test_same(self) -> None:
        """They return the same digests, whatever the size of the data."""
        for size in (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 5000):
            data = bytes(range(256)) * 20
            for name in ("sha256", "sha512"):
                ours, theirs = getattr(digests, name), getattr(hashlib, name)
                self.assertEqual(theirs(data[:size]).digest(), ours(data[:size]).digest(), size)

    def run_(self, *hidden: str) -> list[str]:
        """Return what the program prints in a Python that lacks some modules."""
        done = subprocess.run(
            [sys.executable, "-c", _HIDDEN, *hidden],
            cwd=Path(pkdoors.__file__).parent.parent,
            capture_output=True,
            text=True,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout.split()

    def test_light(self) -> None:
        """They do not load OpenSSL's library."""
        *shown, isLoaded = self.run_()
        expected = [hashlib.new(name, b"knock").hexdigest() for name in ("sha256", "sha512")]
        self.assertEqual((expected, "False"), (shown, isLoaded))

    def test_withoutOwn(self) -> None:
        """They work with a Python that has no digests of its own."""
        shown = self.run_("_sha2", "_sha256", "_sha512")
        self.assertEqual((self.run_()[:2], "True"), (shown[:2], shown[2]))
