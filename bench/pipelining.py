"""
Asks the daemon over very many connections of its admin socket, each with as many requests as fit
into it, without waiting for an answer. Half of them read what they are answered.

A process of its own::

    python -m bench.pipelining SOCKET [CONNECTIONS]
"""

import selectors
import signal
import socket
import sys
from contextlib import suppress
from itertools import count
from types import FrameType

PATHS = ("/status", "/status", "/openings", "/metrics", "/nothing")
"""What is asked for, by turns."""

TOGETHER = 200
"""Requests that are written at once."""

CONNECTIONS = 128
"""As many as the daemon takes."""


def main() -> None:
    """Ask until SIGTERM comes; print how much was answered."""

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
    """Ask on, and read; begin anew where the daemon ends a connection. The bytes that came."""
    connection = key.fileobj
    assert isinstance(connection, socket.socket)
    asked = PATHS[key.data % len(PATHS)]
    request = f"GET {asked} HTTP/1.1\r\nHost: pkdoors\r\n\r\n".encode()
    try:
        if events & selectors.EVENT_READ:
            if answer := connection.recv(1 << 20):
                return len(answer)
            raise ConnectionResetError
        with suppress(BlockingIOError):
            connection.send(TOGETHER * request)
    except OSError:
        selector.unregister(connection)
        connection.close()
        begin(selector, path, turn)
    return 0


if __name__ == "__main__":
    main()
