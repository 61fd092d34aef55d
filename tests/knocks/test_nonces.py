"""Tests of the nonces and tags of L{pkdoors.knocks.seal}."""

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.seal import EPOCH, makeNonce, tagOf

BLOB = b"\0\0\0\x0bssh-ed25519" + bytes(36)
STAMP = 1_800_000_000_123


class NonceTests(SynchronousTestCase):
    """
    Tests of L{makeNonce}.
    """

    def test_form(self) -> None:
        """As docs/sealed-knocks.md says: a tag of the key and the hour, and ten random digits."""
        nonce = makeNonce(BLOB, STAMP)
        self.assertRegex(nonce, "^[0-9a-f]{16}$")
        self.assertEqual(sha256(BLOB + b" 500000").hexdigest()[:6], nonce[:6])
        self.assertEqual(200, len({makeNonce(BLOB, STAMP)[6:] for _ in range(200)}))

    def test_tags(self) -> None:
        """The tag is another one for each key, and in each hour."""
        tags = {tagOf(blob, hour) for blob in (BLOB, BLOB + b"x") for hour in (500_000, 500_001)}
        self.assertEqual(4, len(tags))
        self.assertEqual(makeNonce(BLOB, STAMP)[:6], makeNonce(BLOB, STAMP + EPOCH - 1000)[:6])
