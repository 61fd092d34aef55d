"""Where the engine of a fleet is. Pure."""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pkdoors.errors import BadValue

DEFAULT_PORT = 6379
"""Of Redis and Valkey."""
_SCHEMES = {"redis": False, "rediss": True, "valkey": False, "valkeys": True}
# It may hold a password, so it is not quoted.
_BAD = "this is not the address of an engine: use rediss://USER@HOST:PORT"


class EngineLocation(NamedTuple):
    """
    Where the engine is, and how a host logs in there.

    @ivar host: its name or address.
    @ivar user: empty to send no password at all, to an engine that knows no users.
    @ivar isTLS: whether the connection is encrypted, and the engine proves who it is.
    """

    host: str
    port: int = DEFAULT_PORT
    user: str = ""
    isTLS: bool = True

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


def parseEngineLocation(text: str) -> EngineLocation:
    """
    Parse C{rediss://USER@HOST:PORT}.

    @raise BadValue: it is something else.
    """
    try:
        url = urlsplit(text)
        isTLS = _SCHEMES[url.scheme]
        host, port = url.hostname or "", url.port or DEFAULT_PORT
    except (KeyError, ValueError):
        raise BadValue(_BAD) from None
    if url.password is not None:
        raise BadValue(
            "the address of the engine holds a password: write that to a file of its own"
        )
    if not host or url.path.strip("/") or url.query or url.fragment or not text.isprintable():
        raise BadValue(_BAD)
    return EngineLocation(host, port, unquote(url.username or ""), isTLS)
