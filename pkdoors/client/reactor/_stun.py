"""One question to a STUN server, with Twisted."""

from collections.abc import Awaitable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol

from pkdoors.client.core.methods import Work
from pkdoors.client.core.stun import LAST, TIMES, Exchange, Server, StunError, Transaction
from pkdoors.client.network import lookUp
from pkdoors.util.durations import formatDuration


def exchangeWith(reactor: Any, work: Work) -> Exchange:
    """Return what asks a STUN server."""

    def exchange(server: Server, family: int, transaction: Transaction) -> Awaitable[str]:
        return _exchange(reactor, work, server, family, transaction)

    return exchange


async def _exchange(
    reactor: Any, work: Work, server: Server, family: int, transaction: Transaction
) -> str:
    address = (await work(partial(lookUp, server.host, family)))[0]
    asking = _Asking(reactor, transaction)
    interface = "::" if family == 6 else ""
    try:
        port = reactor.listenUDP(0, asking, interface=interface)
    except CannotListenError as error:  # this host has no IPv6, say
        raise OSError(*error.socketError.args) from error
    try:
        asking.begin(address, server.port)
        return await asking.answer
    finally:
        asking.stop()
        port.stopListening()


class _Asking(DatagramProtocol):
    """
    A question.

    @ivar answer: fires with the address.
    """

    def __init__(self, reactor: Any, transaction: Transaction) -> None:
        self._reactor = reactor
        self._transaction = transaction
        self._calls: list[IDelayedCall] = []
        self.answer: Deferred[str] = Deferred()

    def begin(self, address: str, port: int) -> None:
        """Ask."""
        transport: Any = self.transport
        transport.connect(address, port)  # so the kernel checks the source
        for seconds in TIMES[1:]:
            self._calls.append(self._reactor.callLater(seconds, self._send))
        silent = StunError(f"does not answer within {formatDuration(LAST)}")
        self._calls.append(self._reactor.callLater(LAST, self._end, silent))
        self._send()

    def stop(self) -> None:
        """Ask no more."""
        for call in self._calls:
            if call.active():
                call.cancel()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Read a datagram from the server."""
        try:
            address = self._transaction.receive(datagram)
        except StunError as error:
            self._end(error)
        else:
            if address is not None:
                self._end(address)

    def connectionRefused(self) -> None:
        """Nothing listens there."""
        self._end(StunError("refuses datagrams"))

    def stopProtocol(self) -> None:
        """The port is closed; by Twisted's epoll if nothing listens there."""
        self.connectionRefused()

    def _send(self) -> None:
        transport: Any = self.transport
        try:
            transport.write(self._transaction.question)
        except OSError as error:
            self._end(error)

    def _end(self, result: str | Exception) -> None:
        self.stop()
        if self.answer.called:
            return
        if isinstance(result, Exception):
            self.answer.errback(result)
        else:
            self.answer.callback(result)
