"""C{pkdoors connect}: from a host's name to a connection through its door."""

import socket
from collections.abc import Callable
from typing import Any

from pkdoors.client._portwatch import PortWatch
from pkdoors.client.attempt import Attempt

LOOK = 0.5
"""Seconds in which an open port answers: a packet's way round the Earth and back takes 0.3. A
closed door costs this time before the knock; if an open port takes longer to answer, the client
sends a knock that was not needed."""


async def reach(attempt: Attempt, reactor: Any, say: Callable[[str], None]) -> socket.socket:
    """
    Connect to the port that an attempt is for, and knock only if it does not answer.

    @param say: called with lines for the user about the progress.
    @return: the connection that answered first, in blocking mode and detached from the reactor.
    @raise KnockError: the knock could not be sent, or the port did not open.
    """
    assert attempt.port is not None
    taken: list[socket.socket] = []

    def take(connection: Any) -> None:
        taken.append(detach(connection))

    addresses = await attempt.resolveHost(reactor)
    if not await PortWatch(reactor, addresses, attempt.port, take, once=True).start(LOOK):
        await attempt.run(reactor, say, take)
    return taken[0]


def detach(connection: Any) -> socket.socket:
    """Take the socket out of a connection of Twisted's before anything is read from it."""
    connection.stopReading()
    own = socket.socket(fileno=connection.getHandle().detach())
    own.setblocking(True)
    return own
