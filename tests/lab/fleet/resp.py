"""A client of the engine, for tests and attackers: any command, as any user."""

import socket
import ssl
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 30.0
"""Seconds that the engine may take for an answer."""


class RespError(Exception):
    """The engine's refusal."""


def packWord(word: str | bytes | int) -> bytes:
    """Return a word of a command."""
    data = word if isinstance(word, bytes) else str(word).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class RespClient:
    """Speaks the protocol of Redis over TLS, or without it."""

    def __init__(
        self, address: str, port: int, user: str, password: str, authority: Path | None
    ) -> None:
        """
        @param authority: the certificate of the authority to trust; L{None} for no TLS.
        """
        self._socket: socket.socket = socket.create_connection((address, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if authority:
            context = ssl.create_default_context(cafile=str(authority))
            self._socket = context.wrap_socket(self._socket, server_hostname=address)
        self._file = self._socket.makefile("rb")
        self.ask("AUTH", user, password)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, *words: str | bytes | int) -> Any:
        """
        Return the answer to a command.

        @raise RespError: it is a refusal.
        """
        self.tell(*words)
        return self.answer()

    def tell(self, *words: str | bytes | int) -> None:
        """Send a command, and do not wait for the answer."""
        self.send(b"*%d\r\n" % len(words) + b"".join(map(packWord, words)))

    def send(self, data: bytes) -> None:
        """Send packed words."""
        self._socket.sendall(data)

    def answer(self) -> Any:
        """Return the next answer."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the engine hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RespError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        length = int(rest)
        if length < 0:
            return None
        if kind == b"*":
            return [self.answer() for _ in range(length)]
        return self._file.read(length + 2)[:-2]

    def entries(self, stream: str) -> list[dict[str, bytes]]:
        """Return the entries of a stream, the oldest first."""
        found = []
        for _, flat in self.ask("XRANGE", stream, "-", "+"):
            names = [name.decode() for name in flat[::2]]
            found.append(dict(zip(names, flat[1::2], strict=True)))
        return found

    def fileno(self) -> int:
        """Return its descriptor, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hang up."""
        with closing(self._socket):
            self._file.close()
