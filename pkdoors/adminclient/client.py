"""Asks the running daemon, over its admin socket; C{docs/admin.md}. Its methods block."""

import json
import socket
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode

from pkdoors.adminclient._sse import readEvents
from pkdoors.adminclient.responses import cleanText, rejectAnswer
from pkdoors.errors import AskError, AskNotFound, NoDaemon
from pkdoors.host.systemd import START, isInstalled
from pkdoors.util.durations import formatDuration

ANSWER_TIMEOUT = 30.0
"""Seconds for an answer: firewalld may be in the middle of a reload, and opens only after it."""

CONNECT_TIMEOUT = 10.0
"""Seconds until the daemon accepts the connection, which it delays if very many clients ask."""

MAX_LINE = 1 << 20
"""Bytes of an event; the daemon lets no more than this wait."""


class AdminClient:
    """
    Asks one daemon.

    @ivar path: the path of its socket.
    @ivar timeout: the seconds that it has for an answer.
    """

    def __init__(self, path: str, timeout: float = ANSWER_TIMEOUT) -> None:
        self.path = path
        self.timeout = timeout

    def status(self, **selection: str | int) -> Any:
        """
        Ask for the status; this and the other methods return the JSON of the answer.

        @param selection: the openings to show; C{docs/admin.md} has the arguments. A daemon that
            does not know them shows all openings.
        """
        try:
            return self._ask("GET", f"/status{_query(selection)}")
        except AskError as error:
            if not selection or "unknown argument" not in str(error):
                raise
            return self._ask("GET", "/status")

    def open(self, source: str, door: str = "", seconds: float = 0.0) -> Any:
        """
        Open a door for an address.

        @param door: its name; empty if there is only one.
        @param seconds: 0 for the door's own time.
        """
        wanted: dict[str, Any] = {"source": source}
        if door:
            wanted["door"] = door
        if seconds:
            wanted["seconds"] = seconds
        return self._ask("POST", "/openings", wanted)

    def close(self, source: str = "", door: str = "", limit: int | None = None) -> Any:
        """
        Close the openings for an address, of a door, or (if both are empty) all of them.

        @param limit: how many of them the answer names; L{None} for all, also because the daemon
            does not know it.
        """
        below = f"/{quote(source, safe=':')}" if source else ""
        named: dict[str, str | int] = {"door": door} if door else {}
        limited = named if limit is None else {**named, "limit": limit}
        try:
            return self._ask("DELETE", f"/openings{below}{_query(limited)}")
        except AskError as error:
            if limit is None or "unknown argument" not in str(error):
                raise
            return self._ask("DELETE", f"/openings{below}{_query(named)}")

    def reload(self) -> Any:
        """Make the daemon read its configuration again."""
        return self._ask("POST", "/reload")

    def giveOrder(self, order: bytes) -> Any:
        """Hand in a sealed order to the fleet, which only the socket for the fleet takes."""
        return self._ask("POST", "/seals", {"order": b64encode(order).decode()})

    def metrics(self) -> str:
        """Return the metrics, in Prometheus' text format."""
        with self._connection(self.timeout) as connection:
            return _send(connection, "GET", "/metrics").read().decode()

    def events(self, onBegun: Callable[[], object] = lambda: None) -> Iterator[Any]:
        """
        Yield the events, until the daemon ends.

        @param onBegun: called when the daemon lets us follow.
        """
        with self._connection(None) as connection:
            response = _send(connection, "GET", "/events")
            onBegun()
            yield from readEvents(iter(lambda: response.readline(MAX_LINE), b""))

    def _ask(self, method: str, path: str, wanted: object = None) -> Any:
        body = None if wanted is None else json.dumps(wanted).encode()
        with self._connection(self.timeout) as connection:
            return _parse(_send(connection, method, path, body).read())

    @contextmanager
    def _connection(self, timeout: float | None) -> Iterator[HTTPConnection]:
        """
        Connect.

        @raise NoDaemon: no daemon listens there.
        @raise AskError: the connection, or the work with it, fails.
        """
        try:
            with closing(_UnixConnection(self.path, timeout)) as connection:
                yield connection
        except OSError as error:
            raise explainError(error, self.path, timeout or 0.0) from error
        except HTTPException as error:
            raise rejectAnswer("it is not HTTP") from error


def _query(arguments: Mapping[str, str | int]) -> str:
    return f"?{urlencode(arguments)}" if arguments else ""


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("pkdoors", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        # The kernel waits until there is room; with Python's own timeout it would fail at once.
        seconds = min(self.timeout or CONNECT_TIMEOUT, CONNECT_TIMEOUT)
        timeout = struct.pack("@ll", *divmod(int(1e6 * seconds), 10**6))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        try:
            self.sock.connect(self._path)
        except BlockingIOError as error:
            raise explainError(error, self._path, seconds) from error
        self.sock.settimeout(self.timeout)


def explainError(error: OSError, path: str, timeout: float) -> AskError:
    """
    Return the error for the operator if a daemon cannot be asked.

    @param path: of its socket.
    @param timeout: the seconds that the daemon had.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NoDaemon(_describeNoDaemon(f"no socket at {path}"))
    if isinstance(error, ConnectionRefusedError):
        return NoDaemon(_describeNoDaemon(f"nobody listens at {path}"))
    if isinstance(error, PermissionError):
        return AskError(f"permission denied for the daemon's socket {path}: run this as root")
    if isinstance(error, TimeoutError):
        return AskError(
            f"no answer from the daemon at {path} within {formatDuration(timeout)}: see its log"
        )
    if isinstance(error, BlockingIOError):
        return AskError(
            f"too many clients ask the daemon at {path}: `ss -xp | grep admin` shows which"
        )
    return AskError(f"cannot ask the daemon at {path}: {error.strerror or error}: see its log")


def _send(
    connection: HTTPConnection, method: str, path: str, body: bytes | None = None
) -> HTTPResponse:
    """
    Send a request, and return the response.

    @raise AskNotFound: the daemon does not have that; the sentence is its own.
    @raise AskError: the daemon refuses, likewise.
    """
    headers = {"Content-Type": "application/json"} if body else {}
    with suppress(BrokenPipeError):  # it hung up before it read all; its answer may be there
        connection.request(method, path, body, headers)
    response = connection.getresponse()
    if response.status >= 400:
        answer = _parse(response.read())
        if not isinstance(answer, dict) or "error" not in answer:
            raise rejectAnswer(f"status {response.status}")
        kind = AskNotFound if response.status == 404 else AskError
        raise kind(cleanText(str(answer["error"])))
    return response


def _describeNoDaemon(reason: str) -> str:
    start = f"start it with `{START}`" if isInstalled() else "start it"
    elsewhere = "or use --admin PATH if it listens elsewhere"
    return f"the daemon is not running ({reason}): {start}, {elsewhere}"


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise rejectAnswer("it is not JSON") from None
