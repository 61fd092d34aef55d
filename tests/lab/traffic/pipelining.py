"""
Asks the daemon over very many connections to its admin socket. Each connection gets as many
requests as fit into it, without waiting for an answer. Half of them read their answers.

It is a process of its own::

    python -m tests.lab.traffic.pipelining SOCKET [CONNECTIONS]
"""

import selectors
import signal
import socket
import sys
from contextlib import suppress
from itertools import count
from types import FrameType

PATHS = ("/status", "/status", "/openings", "/metrics", "/nothing")
"""The questions, by turns."""

BATCH = 200
"""Requests in one write."""

CONNECTIONS = 128
"""As many as the daemon accepts."""


def main() -> None:
    """Ask until SIGTERM comes; then print how many bytes were answered."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    path, connections = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else CONNECTIONS
    read = 0
    try:
        with selectors.DefaultSelector() as selector:
            for number in range(connections):
                begin(selector, path, number)
            print("asking", flush=True)
            for turn in count(connections):
                for key, events in selector.select(1.0):
                    read += serve(selector, key, events, path, turn)
    finally:
        print(f"{read} bytes were answered", flush=True)


def begin(selector: selectors.BaseSelector, path: str, number: int) -> None:
    """Connect, if there is room."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return
    isReading = number % 2 == 0
    events = selectors.EVENT_WRITE | (selectors.EVENT_READ if isReading else 0)
    selector.register(connection, events, number)


def serve(
    selector: selectors.BaseSelector,
    key: selectors.SelectorKey,
    events: int,
    path: str,
    turn: int,
) -> int:
    """
    Ask more, and read. If the daemon ends a connection, connect again.

    @return: how many bytes came.
    """
    connection = key.fileobj
    assert isinstance(connection, socket.socket)
    question = PATHS[key.data % len(PATHS)]
    request = f"GET {question} HTTP/1.1\r\nHost: pkdoors\r\n\r\n".encode()
    try:
        if events & selectors.EVENT_READ:
            if answer := connection.recv(1 << 20):
                return len(answer)
            raise ConnectionResetError
        with suppress(BlockingIOError):
            connection.send(BATCH * request)
    except OSError:
        selector.unregister(connection)
        connection.close()
        begin(selector, path, turn)
    return 0


if __name__ == "__main__":
    main()
