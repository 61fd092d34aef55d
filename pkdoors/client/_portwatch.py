"""Waits until a TCP port answers."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

FIRST_PACE = 0.01
"""Seconds between the first two tries to connect: a door opens within milliseconds, but TCP would
repeat a packet that came too early only after a second."""
LAST_PACE = 0.5
"""The longest time between two tries to connect, in seconds."""

Take = Callable[[Any], None]
"""A function that takes the connection that answered first, a transport of Twisted's."""


def hangUp(connection: Any) -> None:
    """Drop the connection; that it was made is all that counts."""
    connection.abortConnection()


class PortWatch:
    """
    Tries to connect to a TCP port, again and again, until it answers.

    @param take: called with the connection.
    @param once: whether to try each address only once; then the watch ends when all have failed.
    @ivar refused: whether some address refused the connection, which a closed door does not do.
    """

    def __init__(
        self,
        reactor: Any,
        addresses: Iterable[str],
        port: int,
        take: Take = hangUp,
        once: bool = False,
    ) -> None:
        self._reactor = reactor
        self._addresses = list(addresses)
        self._port = port
        self._take = take
        self._once = once
        self._failures = 0
        self._pace = FIRST_PACE
        self._tries: list[Deferred[Any]] = []
        self._calls: list[IDelayedCall] = []
        self._done: Deferred[str | None] = Deferred()
        self.refused = False

    def start(self, seconds: float) -> Deferred[str | None]:
        """
        Watch for so many seconds.

        @return: fires with the address that answered, or L{None}.
        """
        self._calls = [self._reactor.callLater(seconds, self._finish, None)]
        self._try()
        return self._done

    def _try(self) -> None:
        for address in self._addresses:
            endpoint = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            # The watch ends its tries; until then, even a late answer is welcome.
            attempt = endpoint(self._reactor, address, self._port, timeout=3600).connect(
                Factory.forProtocol(Protocol)
            )
            attempt.addCallbacks(self._onAnswer, self._onFailure, callbackArgs=(address,))
            self._tries.append(attempt)
        if self._once:
            return
        self._calls[1:] = [self._reactor.callLater(self._pace, self._try)]
        self._pace = min(2 * self._pace, LAST_PACE)

    def _onAnswer(self, protocol: Protocol, address: str) -> None:
        self._take(protocol.transport)
        self._finish(address)

    def _onFailure(self, failure: Failure) -> None:
        self.refused = self.refused or failure.check(ConnectionRefusedError) is not None
        self._failures += 1
        if self._once and self._failures == len(self._addresses):
            self._finish(None)

    def _finish(self, address: str | None) -> None:
        for call in self._calls:
            if call.active():
                call.cancel()
        for attempt in self._tries:
            attempt.cancel()
        if not self._done.called:
            self._done.callback(address)
