"""Very many attempts to reach ports at the same time, and one service that answers all of them."""

import selectors
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from typing import NamedTuple

from tests.lab.echoing import Loop, bindDatagrams
from tests.lab.flows import RETRANSMITTED
from tests.lab.hosts import PATIENCE, SERVER4, SERVER6, Host

TARGETS = {4: SERVER4, 6: SERVER6}
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_tokens = count()


class Attempt(NamedTuple):
    """
    An attempt to begin a connection to the server.

    @ivar name: of who tries it.
    """

    name: str
    protocol: str
    source: str
    port: int

    @property
    def version(self) -> int:
        """The version of IP."""
        return 6 if ":" in self.source else 4


class Echoes(Loop):
    """Sends everything back, on many ports of a host; UDP from the address that was asked."""

    def __init__(self, host: Host, tcp: Iterable[int], udp: Iterable[int]) -> None:
        super().__init__()
        self._listeners = {host.serve(port) for port in tcp}
        self._sockets = [
            bindDatagrams(host, port, address) for port in udp for address in TARGETS.values()
        ]

    def run(self) -> None:
        """Serve."""
        with selectors.DefaultSelector() as selector:
            for server in (*self._listeners, *self._sockets):
                server.setblocking(False)
                selector.register(server, selectors.EVENT_READ)
            while not self._ended.is_set():
                for key, _ in selector.select(0.05):
                    self._serve(selector, key.fileobj)  # type: ignore[arg-type]
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]

    def _serve(self, selector: selectors.BaseSelector, ready: socket.socket) -> None:
        with suppress(BlockingIOError):
            if ready in self._listeners:
                client, _ = ready.accept()
                client.setblocking(False)
                selector.register(client, selectors.EVENT_READ)
            elif ready.type == socket.SOCK_DGRAM:
                ready.sendto(*ready.recvfrom(4096))
            else:
                data = b""
                with suppress(ConnectionError):
                    data = ready.recv(4096)
                    ready.sendall(data)
                if not data:
                    selector.unregister(ready)
                    ready.close()


class Live:
    """
    Connections that live.

    @ivar sockets: the client's ends.
    """

    def __init__(self) -> None:
        self.sockets: dict[Attempt, socket.socket] = {}

    def begin(self, host: Host, attempts: Iterable[Attempt], hoped: set[Attempt]) -> set[Attempt]:
        """
        Try to begin connections, and return those that carry data.

        @param hoped: those that must come; the others have the time in which a kernel asks twice.
        """
        new = {}
        for attempt in attempts:
            family = socket.AF_INET6 if attempt.version == 6 else socket.AF_INET
            with host.inside():
                client = socket.socket(family, _KINDS[attempt.protocol])
            client.bind((attempt.source, 0))
            client.setblocking(False)
            client.connect_ex((TARGETS[attempt.version], attempt.port))
            new[attempt] = client
        carrying = _echoed(new, hoped)
        for attempt, client in new.items():
            if attempt in carrying:
                self.sockets[attempt] = client
            else:
                client.close()
        return carrying

    def carrying(self, hoped: set[Attempt]) -> set[Attempt]:
        """Return those that still carry something new."""
        return _echoed(self.sockets, hoped)

    def close(self) -> None:
        """Close all."""
        for client in self.sockets.values():
            client.close()
        self.sockets.clear()


def _echoed(clients: dict[Attempt, socket.socket], hoped: set[Attempt]) -> set[Attempt]:
    """Send something new on each, and return those on which it comes back."""
    tokens = {attempt: f"{next(_tokens)};".encode() for attempt in clients}
    got = dict.fromkeys(clients, b"")
    found: set[Attempt] = set()
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for attempt, client in clients.items():
            selector.register(client, selectors.EVENT_WRITE, attempt)

        def isOver() -> bool:
            passed = time.monotonic() - began
            return passed > (RETRANSMITTED if hoped <= found else PATIENCE)

        while selector.get_map() and not isOver():
            for key, events in selector.select(0.1):
                attempt, client = key.data, clients[key.data]
                try:
                    if events & selectors.EVENT_WRITE:
                        client.send(tokens[attempt])
                        selector.modify(client, selectors.EVENT_READ, attempt)
                        continue
                    data = client.recv(4096)
                except OSError:
                    data = b""
                got[attempt] += data
                if tokens[attempt] in got[attempt]:
                    found.add(attempt)
                if not data or attempt in found:
                    selector.unregister(client)
    return found
