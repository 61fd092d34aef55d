"""
An engine on Redis or Valkey.

With C{user default off} Redis loses whatever came by EVAL or MULTI when it starts again (its append
only file is read without a user). So there are neither scripts nor transactions here: the commands
that L{RedisEngine} uses are all that the users of hosts may do.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from pkdoors.config.fleet import Engine
from pkdoors.errors import ConfigError, EngineError, EngineHungUp, EngineNoStream, EngineRefusal
from pkdoors.files.reading import readFile
from pkdoors.fleet.engine import BEGINNING, PAGE, Entry, IEngine
from pkdoors.util.durations import formatDuration

if TYPE_CHECKING:
    from pkdoors.fleet._redisprotocol import RedisProtocol

BLOCK = 5.0
"""Seconds for which the engine waits for entries."""
LIMIT = 10.0
"""Seconds for an answer, also to L{BLOCK}: a partition is silent, so nothing else shows it."""
CONNECT_LIMIT = 10.0
"""Seconds until a connection is there."""
MAX_ENTRIES = 1000
"""Entries in one answer, of all streams together: about half a megabyte."""
MAX_NUMBER = (1 << 64) - 1
"""The most in either half of a position."""
_POSITION = re.compile(rb"([0-9]{1,20})-([0-9]{1,20})")
_NO_STREAM = "WRONGTYPE"
_CLOSED = "the connection was closed"
_WANTS_TLS = ": if it speaks TLS at this port, use rediss://"


async def connectEngine(
    reactor: Any, location: Engine, password: str = "", ca: str = ""
) -> IEngine:
    """
    Connect to an engine, and log in.

    @param location: C{location} of the fleet's configuration.
    @param ca: the file with the certificate of its authority; empty for those of the host.
    @raise EngineError: it did not succeed.
    @raise ConfigError: C{ca} cannot be read.
    """
    engine = RedisEngine(reactor, location, password, _makeEndpoint(reactor, location, ca))
    await engine.connect()
    return engine


def _makeEndpoint(reactor: Any, location: Engine, ca: str) -> IStreamClientEndpoint:
    plain = HostnameEndpoint(reactor, location.host, location.port, timeout=CONNECT_LIMIT)
    if not location.isTls:
        return plain
    from twisted.internet.ssl import optionsForClientTLS  # costs 13 MB

    trusted: Any = _readAuthority(ca) if ca else None
    return wrapClientTLS(optionsForClientTLS(location.host, trustRoot=trusted), plain)


def _readAuthority(path: str) -> Any:
    from OpenSSL.crypto import Error
    from twisted.internet.ssl import Certificate, trustRootFromCertificates

    mark = b"-----END CERTIFICATE-----"
    try:
        parts = readFile(path).data.split(mark)[:-1]
        if not parts:
            raise ConfigError(f"{path}: this is not a certificate in PEM format")
        return trustRootFromCertificates([Certificate.loadPEM(part + mark) for part in parts])
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from None
    except (Error, ValueError):
        raise ConfigError(f"{path}: this is not a certificate in PEM format") from None


class RedisEngine:
    """
    A connection, and another one that waits for entries. It implements L{IEngine}.
    """

    def __init__(
        self,
        reactor: Any,
        location: Engine,
        password: str,
        endpoint: IStreamClientEndpoint,
    ) -> None:
        self._reactor = reactor
        self._location = location
        self._password = password
        self._endpoint = endpoint
        self._asking: RedisProtocol | None = None
        self._waiting: RedisProtocol | None = None

    async def connect(self) -> None:
        """See L{connectEngine}."""
        self._asking = await self._connect()

    async def _connect(self) -> "RedisProtocol":
        try:
            from pkdoors.fleet._redisprotocol import RedisFactory
        except ImportError:
            raise EngineError(
                "txredisapi is not installed: run `pip install 'pkdoors[fleet]'` in the "
                "environment of pkdoors"
            ) from None
        connected: Deferred[Any] = self._endpoint.connect(RedisFactory())
        try:
            protocol: RedisProtocol = await connected.addTimeout(CONNECT_LIMIT, self._reactor)
        except Exception as error:  # of the network, or of the resolver
            raise EngineError(self._describe(_explainFailure(error))) from None
        try:
            await self._logIn(protocol)
        except EngineError:
            protocol.end("")
            raise
        return protocol

    async def _logIn(self, protocol: "RedisProtocol") -> None:
        user = self._location.user
        commands: list[tuple[str, ...]] = [("AUTH", user, self._password)] if user else []
        for command in (*commands, ("PING",)):
            try:
                await protocol.ask(self._reactor, LIMIT, *command)
            except EngineRefusal as error:
                raise EngineError(self._describe(_explainRefusal(str(error), user))) from None
            except EngineError as error:
                raise EngineError(self._describe(f"{error}{self._doubtTls(str(error))}")) from None

    def _doubtTls(self, reason: str) -> str:
        """Return what may be behind a first question without an answer: Redis says nothing."""
        if not reason.startswith(("no answer", "it closed")):
            return ""
        return ": does it speak TLS at this port?" if self._location.isTls else _WANTS_TLS

    def _describe(self, reason: str) -> str:
        return f"the engine {self._location}: {reason}"

    async def _ask(self, *command: object) -> Any:
        return await self._askOn(self._asking, *command)

    async def _askOn(self, protocol: "RedisProtocol | None", *command: object) -> Any:
        if protocol is None:
            raise EngineHungUp(self._describe(_CLOSED))
        try:
            return await protocol.ask(self._reactor, LIMIT, *command)
        except EngineError as error:
            text = str(error)
            kind = type(error)
            if isinstance(error, EngineRefusal):
                kind = EngineNoStream if text.startswith(_NO_STREAM) else kind
                text = _explainRefusal(text, self._location.user)
            raise kind(self._describe(text)) from None

    async def append(
        self, stream: str, fields: Mapping[str, bytes], *, oldest: float = 0, most: int = 0
    ) -> str:
        """See L{IEngine.append}."""
        trim: tuple[object, ...] = ()
        if oldest > 0:
            trim = "MINID", "~", int(oldest * 1000)
        elif most:
            trim = "MAXLEN", "~", most
        words = [word for field in fields.items() for word in field]
        return _readPosition(await self._ask("XADD", stream, *trim, "*", *words))

    async def follow(self, positions: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        """See L{IEngine.follow}."""
        if self._waiting is None:
            self._waiting = await self._connect()
        count = max(1, min(PAGE, MAX_ENTRIES // max(1, len(positions))))
        command = ("XREAD", "COUNT", count, "BLOCK", int(BLOCK * 1000))
        words = ("STREAMS", *positions, *positions.values())
        found = await self._askOn(self._waiting, *command, *words)
        try:
            return {name.decode(): _readEntries(entries) for name, entries in found or ()}
        except (ValueError, TypeError, AttributeError):
            raise _refuseAnswer() from None

    async def read(self, stream: str, after: str = BEGINNING, most: int = PAGE) -> Sequence[Entry]:
        """See L{IEngine.read}."""
        return _readEntries(await self._ask("XRANGE", stream, f"({after}", "+", "COUNT", most))

    async def readLast(self, stream: str, most: int = 1) -> Sequence[Entry]:
        """See L{IEngine.readLast}."""
        return _readEntries(await self._ask("XREVRANGE", stream, "+", "-", "COUNT", most))

    async def claim(self, name: str, owner: str, milliseconds: int) -> bool:
        """See L{IEngine.claim}."""
        return await self._ask("SET", name, owner, "NX", "PX", milliseconds) is not None

    async def put(self, name: str, value: bytes, seconds: int) -> None:
        """See L{IEngine.put}."""
        await self._ask("SET", name, value, "EX", seconds)

    async def get(self, name: str) -> bytes | None:
        """See L{IEngine.get}."""
        value = await self._ask("GET", name)
        return value if isinstance(value, bytes) else None

    async def describe(self) -> Mapping[str, str]:
        """See L{IEngine.describe}."""
        text = await self._ask("INFO")
        if not isinstance(text, bytes):
            raise _refuseAnswer()
        lines = text.decode("utf-8", "replace").splitlines()
        return {name: value for name, _, value in (line.partition(":") for line in lines) if value}

    async def close(self) -> None:
        """See L{IEngine.close}."""
        for protocol in (self._asking, self._waiting):
            if protocol is not None:
                protocol.end(_CLOSED, EngineHungUp)
        self._asking = self._waiting = None


def _readPosition(answer: object) -> str:
    if not isinstance(answer, bytes):
        raise _refuseAnswer()
    return answer.decode("ascii", "replace")


def _readEntries(answer: Any) -> list[Entry]:
    """
    Return the entries of an answer. A deleted entry has no fields.

    @raise EngineError: it has none.
    """
    try:
        return [
            Entry(
                _readName(name),
                {
                    words[index].decode("ascii", "replace"): bytes(words[index + 1])
                    for index in range(0, len(words or ()), 2)
                },
            )
            for name, words in answer or ()
        ]
    except (ValueError, TypeError, AttributeError, IndexError):
        raise _refuseAnswer() from None


def _readName(data: bytes) -> str:
    """
    Return the position of an entry. One that the engine could not have made would be asked for
    again and again, and be refused each time, also by a better engine.

    @raise ValueError: it is not a position.
    """
    match = _POSITION.fullmatch(data)
    if match is None or max(map(int, match.groups())) > MAX_NUMBER:
        raise ValueError(data)
    return data.decode("ascii")


def _refuseAnswer() -> EngineError:
    return EngineError("the engine's answer is not what Redis or Valkey answer")


def _explainFailure(error: Exception) -> str:
    """Return a few words on why there is no connection."""
    from twisted.internet.defer import CancelledError, TimeoutError
    from twisted.internet.error import ConnectionRefusedError, DNSLookupError
    from twisted.internet.error import TimeoutError as ConnectTimeout

    if isinstance(error, (CancelledError, TimeoutError, ConnectTimeout)):
        limit = formatDuration(CONNECT_LIMIT)
        return f"no connection within {limit}: does it run, and is there a way to it?"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses the connection: does it run, and listen at this address?"
    if isinstance(error, DNSLookupError):
        return "its name cannot be resolved"
    return str(error) or type(error).__name__


def _explainRefusal(text: str, user: str) -> str:
    """Return an error of Redis with what to do about it."""
    known = {
        "WRONGPASS": f"wrong password for user {user!r}: compare the password file with the ACL",
        "NOAUTH": "it wants a user and a password: name the user in `engine`",
        "NOPERM": f"user {user!r} may not do that: see the ACL lines of `pkdoors fleet init`",
        "MISCONF": "it cannot write to its disk, so it takes nothing in: make room there",
        "OOM": "its memory is full, so it takes nothing in: raise its maxmemory",
        "READONLY": "it is a replica, and takes nothing in: name the primary in `engine`",
        "LOADING": "it is still reading its data",
    }
    word = text.partition(" ")[0]
    return f"{known[word]} ({text})" if word in known else text
