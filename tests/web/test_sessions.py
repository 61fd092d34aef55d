"""Tests of L{pkdoors.web.sessions}."""

from base64 import urlsafe_b64decode

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.web.sessions import MAX_SESSIONS, Sessions, makeSecret


class SessionsTests(SynchronousTestCase):
    """Tests of L{Sessions}."""

    def setUp(self) -> None:
        """Make them."""
        self.sessions = Sessions()

    def begin(self, user: int | None = None) -> bytes:
        """Begin a session with a new token."""
        return self.sessions.begin(self.sessions.makeToken().encode(), user)

    def test_secret(self) -> None:
        """A secret is 128 random bits, in letters that need no quotes."""
        secrets = {makeSecret() for _ in range(1000)}
        self.assertEqual(1000, len(secrets))
        for secret in secrets:
            self.assertEqual(16, len(urlsafe_b64decode(secret + "==")))
            self.assertRegex(secret, "^[A-Za-z0-9_-]+$")

    def test_once(self) -> None:
        """A token is good once, and a session has another secret."""
        token = self.sessions.makeToken().encode()
        secret = self.sessions.begin(token, None)
        self.assertTrue(self.sessions.has(secret, None))
        self.assertNotEqual(token, secret)
        self.assertEqual(b"", self.sessions.begin(token, None))
        self.assertFalse(self.sessions.has(token, None))

    def test_wrong(self) -> None:
        """Nothing else begins a session, not even before the first token is made."""
        for wrong in (b"", b"x", b"\xff", b"0" * 10_000):
            self.assertEqual(b"", self.sessions.begin(wrong, None))
        token = self.sessions.makeToken().encode()
        for wrong in (b"", token[:-1], token + b"0", token.swapcase(), b"\xff" + token):
            self.assertEqual(b"", self.sessions.begin(wrong, None))
        self.assertTrue(self.sessions.begin(token, None))

    def test_newer(self) -> None:
        """A new token ends the one before, and no session."""
        secret = self.begin()
        old = self.sessions.makeToken().encode()
        new = self.sessions.makeToken().encode()
        self.assertEqual(b"", self.sessions.begin(old, None))
        self.assertTrue(self.sessions.begin(new, None))
        self.assertTrue(self.sessions.has(secret, None))

    def test_none(self) -> None:
        """Without a session, nothing is one."""
        for secret in (b"", b"x"):
            self.assertFalse(self.sessions.has(secret, None))

    def test_many(self) -> None:
        """There are so many; then the oldest ends."""
        secrets = [self.begin() for _ in range(MAX_SESSIONS + 1)]
        self.assertFalse(self.sessions.has(secrets[0], None))
        self.assertTrue(all(self.sessions.has(secret, None) for secret in secrets[1:]))

    def test_users(self) -> None:
        """A session is the user's who has begun it; root's, too, is not another user's."""
        secret = self.begin(1000)
        self.assertTrue(self.sessions.has(secret, 1000))
        for other in (1001, 0, None):
            self.assertFalse(self.sessions.has(secret, other))
