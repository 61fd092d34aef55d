"""Tests of L{pkdoors.locks.sealed.hints}."""

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.seal import hintOf
from pkdoors.locks.sealed import hints as hintsModule
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from pkdoors.locks.sealed.hints import MAX_NONCES, HintIndex
from tests.lab.sealing import makeKey, publicLine

NONCE = "0123456789abcdef"


class HintIndexTests(SynchronousTestCase):
    """
    A test with three keys, one of which is on two lines.

    @ivar hashed: the keys for which a nonce was hashed, for each nonce.
    """

    def setUp(self) -> None:
        """Make an index that counts."""
        self.lines = [publicLine(makeKey(), name) for name in ("anna", "bob", "eve")]
        self.keys = self.parse(*self.lines, self.lines[1].replace("bob", "bob again"))
        self.index = HintIndex(lambda: self.keys)

    def parse(self, *lines: str) -> list[AuthorizedKey]:
        """Return the keys of some lines."""
        return parseAuthorizedKeys("".join(lines), "keys")[0]

    def find(self, at: int, nonce: str = NONCE) -> list[list[str]]:
        """Return the comments of the lines that a key's hint finds."""
        found = self.index.find(nonce, hintOf(self.keys[at].blob, nonce))
        return [[line.comment for line in lines] for lines in found]

    def count(self) -> list[bytes]:
        """Count the keys that are hashed from now on."""
        hashed: list[bytes] = []

        def count(blob: bytes) -> object:
            hashed.append(blob)
            return sha256(blob)

        self.patch(hintsModule, "sha256", count)
        return hashed

    def test_find(self) -> None:
        """A hint finds its key, with all of its lines."""
        self.assertEqual([["anna"]], self.find(0))
        self.assertEqual([["bob", "bob again"]], self.find(1))
        self.assertEqual([["bob", "bob again"]], self.find(3, "f" * 16))

    def test_unknown(self) -> None:
        """The hint of no key finds none."""
        self.assertEqual([], self.index.find(NONCE, "00000000"))

    def test_sameHint(self) -> None:
        """If several keys have the same hint, it finds all of them."""
        self.patch(hintsModule, "HINT_DIGITS", 0)
        self.assertEqual([["anna"], ["bob", "bob again"], ["eve"]], self.find(0))

    def test_hashedOnce(self) -> None:
        """Each distinct key is hashed once; after that only nonces are."""
        hashed = self.count()
        for number in range(100):
            self.index.find(f"{number:016x}", "00000000")
        self.assertEqual(3, len(hashed))

    def test_indexedOnce(self) -> None:
        """A nonce is indexed once, whatever hints come with it."""
        self.index.find(NONCE, "00000000")
        self.index._begun = []
        self.assertEqual([["anna"]], self.find(0))

    def test_bound(self) -> None:
        """Only a limited number of nonces take memory."""
        for number in range(10 * MAX_NONCES):
            self.index.find(f"{number:016x}", "00000000")
        self.assertEqual(MAX_NONCES, len(self.index._indexes))

    def test_change(self) -> None:
        """A change of the file discards the earlier indexes."""
        self.find(0)
        self.keys = self.parse(*self.lines[1:])
        self.assertEqual([["bob"]], self.find(0))
        self.assertEqual([["eve"]], self.find(1))
        gone = self.parse(self.lines[0])[0]
        self.assertEqual([], self.index.find(NONCE, hintOf(gone.blob, NONCE)))
