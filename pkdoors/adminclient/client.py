"""Asks the running daemon, over its admin socket; C{docs/admin.md}. It blocks."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode

from pkdoors.adminclient._sse import readEvents
from pkdoors.adminclient.responses import printable, unknown
from pkdoors.errors import AskError, NoDaemon
from pkdoors.host.systemd import START, isInstalled

TIMEOUT = 30.0
"""Seconds for an answer: firewalld may be in the midst of a reload, and opens only after it."""

BUSY = 10.0
"""Seconds until a daemon that very many ask at once takes the connection."""

MAX_LINE = 1 << 20
"""Bytes of an event; the daemon lets no more than this wait."""

_WHERE = "or say with --admin where it listens, which is where its file said at its start"


class AdminClient:
    """
    Asks one daemon.

    @ivar path: of its socket.
    @ivar timeout: seconds that it may take to answer.
    """

    def __init__(self, path: str, timeout: float = TIMEOUT) -> None:
        self.path = path
        self.timeout = timeout

    def status(self) -> Any:
        """How things stand; all these methods give the JSON of the answer."""
        return self._ask("GET", "/status")

    def open(self, source: str, door: str = "", seconds: float = 0.0) -> Any:
        """
        Open a door for an address.

        @param door: which; empty where there is only one.
        @param seconds: 0 for the door's own time.
        """
        wanted: dict[str, Any] = {"source": source}
        if door:
            wanted["door"] = door
        if seconds:
            wanted["seconds"] = seconds
        return self._ask("POST", "/openings", wanted)

    def close(self, source: str = "", door: str = "") -> Any:
        """
        Close what is open, for an address or for all, of a door or of all.
        """
        below = f"/{quote(source, safe=':')}" if source else ""
        query = f"?{urlencode({'door': door})}" if door else ""
        return self._ask("DELETE", f"/openings{below}{query}")

    def reload(self) -> Any:
        """Have the configuration read again."""
        return self._ask("POST", "/reload")

    def events(self, begun: Callable[[], object] = lambda: None) -> Iterator[Any]:
        """
        What happens, until the daemon ends.

        @param begun: called when the daemon lets us follow.
        """
        with self._connection(None) as connection:
            response = _send(connection, "GET", "/events")
            begun()
            yield from readEvents(iter(lambda: response.readline(MAX_LINE), b""))

    def _ask(self, method: str, path: str, wanted: object = None) -> Any:
        body = None if wanted is None else json.dumps(wanted).encode()
        with self._connection(self.timeout) as connection:
            return _parsed(_send(connection, method, path, body).read())

    @contextmanager
    def _connection(self, timeout: float | None) -> Iterator[HTTPConnection]:
        """
        @raise NoDaemon: nobody listens there.
        @raise AskError: what is done with the connection fails.
        """
        try:
            with closing(_UnixConnection(self.path, timeout)) as connection:
                yield connection
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NoDaemon(f"no daemon is there, {self.path} is missing: {_noDaemon()}") from error
        except ConnectionRefusedError as error:
            raise NoDaemon(f"no daemon listens at {self.path}: {_noDaemon()}") from error
        except PermissionError as error:
            raise AskError(
                f"you may not use the daemon's socket {self.path}: run it as root"
            ) from error
        except TimeoutError as error:
            raise AskError(
                f"the daemon at {self.path} does not answer within {timeout:g} seconds: see its log"
            ) from error
        except OSError as error:
            raise AskError(
                f"cannot ask the daemon at {self.path}: {error.strerror or error}: see its log"
            ) from error
        except HTTPException as error:
            raise unknown("it is no HTTP") from error


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("pkdoors", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        # It waits until there is room: with a timeout of Python's it would fail at once.
        patience = struct.pack("@ll", *divmod(int(1e6 * min(self.timeout or BUSY, BUSY)), 10**6))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        try:
            self.sock.connect(self._path)
        except BlockingIOError as error:
            raise AskError(
                f"too many ask the daemon at {self._path} at the same time: see who does, "
                "`ss -xp | grep admin`"
            ) from error
        self.sock.settimeout(self.timeout)


def _send(
    connection: HTTPConnection, method: str, path: str, body: bytes | None = None
) -> HTTPResponse:
    """
    @raise AskError: the daemon does not do it; the sentence is its own.
    """
    headers = {"Content-Type": "application/json"} if body else {}
    with suppress(BrokenPipeError):  # it hung up before it read that; what it said may be there
        connection.request(method, path, body, headers)
    response = connection.getresponse()
    if response.status >= 400:
        answer = _parsed(response.read())
        if not isinstance(answer, dict) or "error" not in answer:
            raise unknown(f"status {response.status}")
        raise AskError(printable(str(answer["error"])))
    return response


def _noDaemon() -> str:
    return f"start it, `{START}`, {_WHERE}" if isInstalled() else f"start it, {_WHERE}"


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise unknown("it is no JSON") from None
