"""Finds out whether any knock port has something to read."""

import select
import socket


class Readiness:
    """
    Knock ports that are looked at together, beside the reactor.
    """

    def __init__(self) -> None:
        self._poll: select.epoll | None = None  # not made before a daemon has gone its own way

    def add(self, udp: socket.socket) -> None:
        """Look at a socket, too. The kernel removes it when it is closed."""
        if self._poll is None:
            self._poll = select.epoll()
        self._poll.register(udp.fileno(), select.EPOLLIN)

    def isQuiet(self) -> bool:
        """Return whether no socket has anything now."""
        return self._poll is not None and not self._poll.poll(0, 1)

    def close(self) -> None:
        """Look at nothing any more."""
        if self._poll is not None:
            self._poll.close()
            self._poll = None
