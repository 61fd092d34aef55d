"""The token that begins a session, and the sessions. Pure."""

from collections import deque
from collections.abc import Callable
from hmac import compare_digest
from secrets import token_urlsafe
from typing import NamedTuple

BYTES = 16
"""Random bytes of a token and of a session: nobody can guess 128 bits."""
MAX_SESSIONS = 16
"""Browsers that can use the page at a time; if one more comes, the oldest must begin again."""


def makeSecret() -> str:
    """Return a new secret, of letters that a URL and a cookie can have."""
    return token_urlsafe(BYTES)


class _Session(NamedTuple):
    secret: bytes
    user: int | None


class Sessions:
    """
    All sessions of one C{pkdoors web}, and its one token, which is good once.

    @param makeSecret: returns a new secret.
    """

    def __init__(self, makeSecret: Callable[[], str] = makeSecret) -> None:
        self._makeSecret = makeSecret
        self._token = b""
        self._sessions: deque[_Session] = deque(maxlen=MAX_SESSIONS)

    def makeToken(self) -> str:
        """Return a new token; the one before is not good any more."""
        token = self._makeSecret()
        self._token = token.encode()
        return token

    def begin(self, token: bytes, user: int | None) -> bytes:
        """
        Begin a session, and return its secret; return an empty string if the token is wrong.

        @param user: the user of this machine whose session it is; L{None} if that is unknown.
        """
        if not self._token or not compare_digest(token, self._token):
            return b""
        self._token = b""
        secret = self._makeSecret().encode()
        self._sessions.append(_Session(secret, user))
        return secret

    def has(self, secret: bytes, user: int | None) -> bool:
        """
        Return whether a session has this secret, and is this user's. Browsers send a cookie to
        every port of a host, and another user may listen at one.
        """
        # All are compared, so the time says nothing.
        same = [
            compare_digest(secret, each.secret) and each.user == user for each in self._sessions
        ]
        return any(same)
