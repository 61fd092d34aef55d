"""
Asks a STUN server for the address that datagrams from here come from, RFC 8489. Pure: a driver
carries the messages.

Nothing protects an answer: whoever can read the question can forge one.
"""

from collections.abc import Awaitable
from ipaddress import ip_address
from os import urandom
from typing import NamedTuple, Protocol

from pkdoors.client.core.hosts import parseHost
from pkdoors.errors import BadValue, KnockError, NoAddress
from pkdoors.model.addresses import canonicalize
from pkdoors.model.unicast import isUnicast
from pkdoors.util.quoting import quoteHost

SCHEME = "stun:"
PORT = 3478
"""The port of STUN servers."""
TIMES = (0.0, 0.5, 1.5)
"""Seconds after which the question is sent, and sent again: the times of RFC 8489, 6.2.1."""
LAST = 3.0
"""Seconds in which the answer must come. The RFC would wait for 39.5; a user waits for a knock."""
MAX_ANSWER = 1500
"""Bytes of an answer that are read."""

_COOKIE = 0x2112A442.to_bytes(4)
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
_MAPPED, _ERROR_CODE, _XOR_MAPPED = 0x0001, 0x0009, 0x0020
_KNOWN = {_MAPPED, 0x0004, 0x0005, 0x0006, 0x0008, _ERROR_CODE, 0x000A, 0x0014, 0x0015}
_KNOWN |= {0x001C, 0x001D, 0x001E, _XOR_MAPPED}
"""The attributes of RFC 3489 and RFC 8489 that a client must understand; it ignores most."""
_OPTIONAL = 0x8000  # the types from here on can be ignored
_HEADER = 20  # bytes
_SIZES = {1: 4, 2: 16}  # bytes of an address, for each number of a family


class StunError(Exception):
    """The server's answer is of no use, or there is none; the message is half a sentence."""


class Server(NamedTuple):
    """A STUN server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"the STUN server {quoteHost(self.host)}"


def parseServer(text: str) -> Server:
    """
    Read C{stun:HOST} or C{stun:HOST:PORT}.

    @raise BadValue: it is something else.
    """
    rest = text.removeprefix(SCHEME)
    if "@" in rest or "/" in rest or not rest or rest == text:
        raise BadValue("a STUN server is written stun:HOST or stun:HOST:PORT")
    host, port = parseHost(rest)
    return Server(host, port or PORT)


class Transaction:
    """
    One question, and the answer to it.

    @ivar question: the datagram to send.
    """

    def __init__(self) -> None:
        self._number = urandom(12)
        self.question = _REQUEST.to_bytes(2) + bytes(2) + _COOKIE + self._number

    def receive(self, datagram: bytes) -> str | None:
        """
        Read a datagram from the server.

        @return: the address in it; L{None} if it is not an answer to the question.
        @raise StunError: the answer has no address.
        """
        kind = int.from_bytes(datagram[:2])
        size = int.from_bytes(datagram[2:4])
        isAnswer = datagram[4:_HEADER] == _COOKIE + self._number and kind in (_SUCCESS, _ERROR)
        if not isAnswer or len(datagram) != _HEADER + size:
            return None
        found = _readAttributes(datagram[_HEADER:])
        if kind == _ERROR:
            code = found.get(_ERROR_CODE, b"")
            known = len(code) >= 4
            raise StunError(f"answers with error {code[2] % 8 * 100 + code[3] if known else '?'}")
        if unknown := [each for each in found if each < _OPTIONAL and each not in _KNOWN]:
            raise StunError(f"answers with an attribute that is not known (0x{unknown[0]:04x})")
        if _XOR_MAPPED in found:
            return _readAddress(found[_XOR_MAPPED], _COOKIE + self._number)
        if _MAPPED in found:
            return _readAddress(found[_MAPPED], bytes(16))
        raise StunError("answers without an address")


def _readAttributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes of a message by type; of two of one type, the first counts."""
    found: dict[int, bytes] = {}
    while data:
        kind, size = int.from_bytes(data[:2]), int.from_bytes(data[2:4])
        if len(data) < 4 + size:
            raise StunError("sends a damaged answer")
        found.setdefault(kind, data[4 : 4 + size])
        data = data[4 + (size + 3) // 4 * 4 :]
    return found


def _readAddress(value: bytes, mask: bytes) -> str:
    size = _SIZES.get(value[1]) if len(value) > 4 else None
    if size is None or len(value) != 4 + size:
        raise StunError("sends a damaged answer")
    return str(ip_address(bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))))


class Exchange(Protocol):
    """How a driver asks a STUN server."""

    def __call__(self, server: Server, family: int, transaction: Transaction) -> Awaitable[str]:
        """
        Send the question at L{TIMES} from a new socket, and give each datagram of the server, and
        of nobody else, to the transaction, until it has an address or L{LAST} is over.

        @param family: 4 or 6.
        @raise NoAddress: the server has no address of that family.
        @raise StunError: there is no answer, or the transaction raised that.
        @raise OSError: there is no route to the server.
        """


async def learnAddress(server: Server, destination: str, exchange: Exchange) -> str | None:
    """
    Return the address that a destination sees, by the word of a server.

    @return: L{None} if the server has no address of that family: it cannot tell.
    @raise KnockError: the server did not tell, or what it said cannot be true.
    """
    isIPv6 = ":" in destination
    try:
        address = canonicalize(await exchange(server, 6 if isIPv6 else 4, Transaction()))
    except NoAddress:
        return None
    except OSError as error:
        raise KnockError(f"cannot ask {server}: {error.strerror or error}") from error
    except StunError as error:
        raise KnockError(f"{server} {error}: use --bind ADDRESS, or --bind none") from error
    isUsable = isUnicast(address) and ip_address(address).is_global
    if not isUsable or (":" in address) != isIPv6:
        raise KnockError(
            f"{server} says that this host is seen as {address}, which is not a global "
            f"IPv{6 if isIPv6 else 4} address: use --bind ADDRESS, or --bind none"
        )
    return address
