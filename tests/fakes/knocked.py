"""A host that is knocked on, made of real sockets."""

import socket
from contextlib import suppress

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds that a test waits for what must come."""


class FakeDoor:
    """
    Knock ports, and a port that begins to listen when all of them were knocked on.

    @ivar ports: the knock ports.
    @ivar heard: the datagrams, with the number of the port among them.
    @ivar protected: the port behind the door.
    """

    def __init__(self, greeting: bytes = b"SSH-2.0-test\r\n") -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
        for each in self._sockets:
            each.bind((HOST, 0))
        self.ports = tuple(each.getsockname()[1] for each in self._sockets)
        self.heard: list[tuple[int, bytes]] = []
        self._greeting = greeting
        self._server = socket.socket()
        self._server.bind((HOST, 0))
        self.protected = self._server.getsockname()[1]
        self.accepted: list[socket.socket] = []

    def listen(self) -> None:
        """Open."""
        self._server.listen()

    def hear(self, rounds: int = 1) -> None:
        """Hear knocks on all ports, then open."""
        for _ in range(rounds):
            for index, each in enumerate(self._sockets):
                each.settimeout(PATIENCE)
                self.heard.append((index, each.recv(2000)))
        self.listen()

    def accept(self) -> None:
        """Greet who comes."""
        self._server.settimeout(PATIENCE)
        connection, _ = self._server.accept()
        self.accepted.append(connection)
        connection.sendall(self._greeting)

    def countWaiting(self) -> int:
        """Accept all who have come already. Return how many they were."""
        before = len(self.accepted)
        self._server.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.accepted.append(self._server.accept()[0])
        return len(self.accepted) - before

    def close(self) -> None:
        """Close everything."""
        for each in [*self._sockets, self._server, *self.accepted]:
            each.close()
