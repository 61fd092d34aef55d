"""
The token that begins a session, and the sessions. Pure.

A session has two secrets. One is a cookie, which no script can read; but a browser sends cookies to
every port of a host, so a server that another user of this machine runs gets it as soon as the
operator's browser shows a page of that server's. The other one is the key, which the page keeps:
a browser keeps such things apart by port.
"""

from collections import deque
from collections.abc import Callable
from hmac import compare_digest
from secrets import token_urlsafe
from typing import NamedTuple

BYTES = 16
"""Random bytes of a token and of a session: nobody can guess 128 bits."""
MAX_SESSIONS = 16
"""Browsers that can use the page at a time; if one more comes, the oldest must begin again."""


class Session(NamedTuple):
    """
    The secrets of a session.

    @ivar secret: the cookie's.
    @ivar key: the page's.
    """

    secret: bytes
    key: bytes


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
        self._sessions: deque[Session] = deque(maxlen=MAX_SESSIONS)

    def makeToken(self) -> str:
        """Return a new token; the one before is not good any more."""
        token = self._makeSecret()
        self._token = token.encode()
        return token

    def begin(self, token: bytes) -> Session | None:
        """Begin a session, and return it; return L{None} if the token is wrong."""
        if not self._token or not compare_digest(token, self._token):
            return None
        self._token = b""
        session = Session(self._makeSecret().encode(), self._makeSecret().encode())
        self._sessions.append(session)
        return session

    def has(self, secret: bytes, key: bytes) -> bool:
        """Return whether a session has both of these secrets."""
        # All are compared, so the time shows nothing.
        return any([_isSession(session, secret, key) for session in self._sessions])


def _isSession(session: Session, secret: bytes, key: bytes) -> bool:
    isSecret = compare_digest(secret, session.secret)
    return compare_digest(key, session.key) and isSecret
