"""C{pkdoors connect}: from a host's name to a connection through its door."""

import socket
from collections.abc import Callable
from typing import Any

from pkdoors.client._portwatch import PortWatch
from pkdoors.client.attempt import Attempt

LOOK = 0.5
"""Seconds in which a port answers that is open already: a packet's way round the Earth and back
takes 0.3. It is what a closed door costs before the knock; where a port that is open takes longer,
a knock is sent that was not needed."""


async def reach(attempt: Attempt, reactor: Any, say: Callable[[str], None]) -> socket.socket:
    """
    Connect to the port that a visit is for, and knock only where it does not answer.

    @param say: told how it goes, meanwhile.
    @return: the connection that answered first, blocking, and none of the reactor's any more.
    @raise KnockError: it could not knock, or the port did not open.
    """
    assert attempt.port is not None
    taken: list[socket.socket] = []

    def take(connection: Any) -> None:
        taken.append(detach(connection))

    resolveHost = await attempt.resolveHost(reactor)
    if not await PortWatch(reactor, resolveHost, attempt.port, take, once=True).start(LOOK):
        await attempt.run(reactor, say, take)
    return taken[0]


def detach(connection: Any) -> socket.socket:
    """Take the socket out of a connection of Twisted's, before anything is read from it."""
    connection.stopReading()
    own = socket.socket(fileno=connection.getHandle().detach())
    own.setblocking(True)
    return own
