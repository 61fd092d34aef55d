"""Tests of L{pkdoors.web.sessions}."""

from base64 import urlsafe_b64decode

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.web.sessions import MAX_SESSIONS, Session, Sessions, makeSecret


class SessionsTests(SynchronousTestCase):
    """Tests of L{Sessions}."""

    def setUp(self) -> None:
        """Make them."""
        self.sessions = Sessions()

    def begin(self) -> Session:
        """Begin a session with a new token."""
        session = self.sessions.begin(self.sessions.makeToken().encode())
        assert session is not None
        return session

    def test_secret(self) -> None:
        """A secret is 128 random bits, in letters that need no quotes."""
        secrets = {makeSecret() for _ in range(1000)}
        self.assertEqual(1000, len(secrets))
        for secret in secrets:
            self.assertEqual(16, len(urlsafe_b64decode(secret + "==")))
            self.assertRegex(secret, "^[A-Za-z0-9_-]+$")

    def test_once(self) -> None:
        """A token is good once, and a session has other secrets."""
        token = self.sessions.makeToken().encode()
        session = self.sessions.begin(token)
        assert session is not None
        self.assertTrue(self.sessions.has(*session))
        self.assertEqual(3, len({token, *session}))
        self.assertIsNone(self.sessions.begin(token))
        self.assertFalse(self.sessions.has(token, token))

    def test_both(self) -> None:
        """Either secret alone is not enough, nor are those of two sessions."""
        one, other = self.begin(), self.begin()
        for secret, key in (
            (one.secret, b""),
            (b"", one.key),
            (one.key, one.secret),
            (one.secret, other.key),
        ):
            self.assertFalse(self.sessions.has(secret, key))

    def test_wrong(self) -> None:
        """Nothing else begins a session, not even before the first token is made."""
        for wrong in (b"", b"x", b"\xff", b"0" * 10_000):
            self.assertIsNone(self.sessions.begin(wrong))
        token = self.sessions.makeToken().encode()
        for wrong in (b"", token[:-1], token + b"0", token.swapcase(), b"\xff" + token):
            self.assertIsNone(self.sessions.begin(wrong))
        self.assertTrue(self.sessions.begin(token))

    def test_newer(self) -> None:
        """A new token ends the one before, and no session."""
        session = self.begin()
        old = self.sessions.makeToken().encode()
        new = self.sessions.makeToken().encode()
        self.assertIsNone(self.sessions.begin(old))
        self.assertTrue(self.sessions.begin(new))
        self.assertTrue(self.sessions.has(*session))

    def test_none(self) -> None:
        """Without a session, nothing is one."""
        for secret in (b"", b"x"):
            self.assertFalse(self.sessions.has(secret, secret))

    def test_many(self) -> None:
        """There are so many; then the oldest ends."""
        begun = [self.begin() for _ in range(MAX_SESSIONS + 1)]
        self.assertFalse(self.sessions.has(*begun[0]))
        self.assertTrue(all(self.sessions.has(*session) for session in begun[1:]))
