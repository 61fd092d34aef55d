"""The token that begins a session, and the sessions. Pure."""

from collections import deque
from collections.abc import Callable
from hmac import compare_digest
from secrets import token_urlsafe

BYTES = 16
"""Random bytes of a token and of a session: nobody can guess 128 bits."""
MAX_SESSIONS = 16
"""Browsers that can use the page at a time; if one more comes, the oldest must begin again."""


def makeSecret() -> str:
    """Return a new secret, of letters that a URL and a cookie can have."""
    return token_urlsafe(BYTES)


class Sessions:
    """
    All sessions of one C{pkdoors web}, and its one token, which is good once.

    @param makeSecret: returns a new secret.
    """

    def __init__(self, makeSecret: Callable[[], str] = makeSecret) -> None:
        self._makeSecret = makeSecret
        self._token = b""
        self._sessions: deque[bytes] = deque(maxlen=MAX_SESSIONS)

    def makeToken(self) -> str:
        """Return a new token; the one before is not good any more."""
        token = self._makeSecret()
        self._token = token.encode()
        return token

    def begin(self, token: bytes) -> bytes:
        """Begin a session, and return its secret; return an empty string if the token is wrong."""
        if not self._token or not compare_digest(token, self._token):
            return b""
        self._token = b""
        self._sessions.append(self._makeSecret().encode())
        return self._sessions[-1]

    def has(self, secret: bytes) -> bool:
        """Return whether a session has this secret."""
        # All are compared, so the time tells nothing.
        return any([compare_digest(secret, session) for session in self._sessions])
