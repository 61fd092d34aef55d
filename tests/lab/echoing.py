"""Services that echo, and a stranger that tries to get in all the time."""

import selectors
import socket
import time
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tests.lab.hosts import REFUSAL, SERVER4, SERVER6, Host

GREETING = b"hello;"


class Loop(Thread):
    """A thread that works until it is ended."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self.join()


class EchoServer(Loop):
    """
    Greets each client, and sends back what comes: so the server speaks first, as sshd does.

    @param listener: where they connect.
    """

    def __init__(self, listener: socket.socket) -> None:
        super().__init__()
        self._listener = listener
        listener.setblocking(False)

    def run(self) -> None:
        """Serve."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._ended.is_set():
                for key, _ in selector.select(0.05):
                    if key.fileobj is self._listener:
                        self._welcome(selector)
                    else:
                        self._echo(selector, key.fileobj)  # type: ignore[arg-type]
            for key in list(selector.get_map().values()):
                if key.fileobj is not self._listener:
                    key.fileobj.close()  # type: ignore[union-attr]

    def _welcome(self, selector: selectors.BaseSelector) -> None:
        with suppress(OSError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            client.send(GREETING)
            selector.register(client, selectors.EVENT_READ)

    def _echo(self, selector: selectors.BaseSelector, client: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = client.recv(4096)
            client.send(data)
        if not data:
            selector.unregister(client)
            client.close()


class DatagramEchoServer(Loop):
    """
    Sends each datagram back, over UDP.

    @param host: where.
    @param addresses: there; one by one, so that an answer comes from where it was asked.
    """

    def __init__(
        self, host: Host, port: int, addresses: tuple[str, ...] = (SERVER4, SERVER6)
    ) -> None:
        super().__init__()
        self._sockets = [bindDatagrams(host, port, address) for address in addresses]

    def run(self) -> None:
        """Serve."""
        with selectors.DefaultSelector() as selector:
            for each in self._sockets:
                selector.register(each, selectors.EVENT_READ)
            while not self._ended.is_set():
                for key, _ in selector.select(0.05):
                    server: socket.socket = key.fileobj  # type: ignore[assignment]
                    with suppress(OSError):
                        server.sendto(*server.recvfrom(4096))
        for each in self._sockets:
            each.close()


def bindDatagrams(host: Host, port: int, address: str) -> socket.socket:
    """Return a UDP socket at one of a host's addresses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.inside():
        server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((address, port))
    return server


class DatagramFlow:
    """
    A client's UDP socket, which asks one server.

    @param source: its own address and port; L{None} for any.
    """

    def __init__(
        self, host: Host, port: int, target: str = SERVER4, source: tuple[str, int] | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with host.inside():
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        if source is not None:
            self._socket.bind(source)
        self._socket.connect((target, port))
        self._asked = 0

    def isAnswered(self, patience: float = REFUSAL) -> bool:
        """Return whether a new question comes back."""
        self._asked += 1
        token = f"question {self._asked}".encode()
        end = time.monotonic() + patience
        try:
            self._socket.send(token)
            while (left := end - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if self._socket.recv(4096) == token:
                    return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class Prober(Loop):
    """
    Connects again and again, over IPv4 and IPv6 in turn, and uses what it gets at once.

    @ivar connected: connections that it got.
    @ivar tried: how often it tried.
    """

    def __init__(self, host: Host, port: int, rate: int) -> None:
        super().__init__()
        self._host = host
        self._port = port
        self._rate = rate
        self.connected: list[socket.socket] = []
        self.tried = 0

    def run(self) -> None:
        """Try."""
        waiting: list[tuple[float, socket.socket]] = []
        began = time.monotonic()
        with self._host.inside(), selectors.DefaultSelector() as selector:
            while not self._ended.is_set() or waiting:
                now = time.monotonic()
                while not self._ended.is_set() and self.tried < (now - began) * self._rate:
                    attempt = self._attempt()
                    selector.register(attempt, selectors.EVENT_WRITE)
                    waiting.append((now, attempt))
                for key, _ in selector.select(0.002):
                    self._judge(key.fileobj)  # type: ignore[arg-type]
                    selector.unregister(key.fileobj)
                while waiting and waiting[0][0] < now - 0.2:
                    _, attempt = waiting.pop(0)
                    if attempt in self.connected or attempt.fileno() < 0:
                        continue
                    selector.unregister(attempt)
                    attempt.close()
        for each in self.connected:
            each.setblocking(True)

    def _attempt(self) -> socket.socket:
        target, family = ((SERVER4, socket.AF_INET), (SERVER6, socket.AF_INET6))[self.tried % 2]
        self.tried += 1
        attempt = socket.socket(family, socket.SOCK_STREAM)
        attempt.setblocking(False)
        attempt.connect_ex((target, self._port))
        return attempt

    def _judge(self, attempt: socket.socket) -> None:
        if attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            attempt.close()
            return
        with suppress(OSError):
            attempt.send(b"in;")
        self.connected.append(attempt)

    def alive(self, patience: float = 1.5) -> int:
        """
        How many of its connections still carry something new to the server and back; they are
        closed then.
        """
        token = f"still here {time.monotonic()};".encode()
        for each in self.connected:
            with suppress(OSError):
                each.settimeout(0.1)
                each.send(token)
        heard = _heard(self.connected, time.monotonic() + patience)
        for each in self.connected:
            each.close()
        return sum(each.endswith(token) for each in heard)


def _heard(connections: list[socket.socket], end: float) -> list[bytes]:
    """Return what comes from each connection until then."""
    heard = dict.fromkeys(connections, b"")
    with selectors.DefaultSelector() as selector:
        for each in connections:
            selector.register(each, selectors.EVENT_READ)
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                each = key.fileobj  # type: ignore[assignment]
                data = b""
                with suppress(OSError):
                    data = each.recv(4096)
                if not data:
                    selector.unregister(each)
                heard[each] += data
    return list(heard.values())
