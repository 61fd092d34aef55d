"""Runs a visit with a Twisted reactor."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import CannotListenError, ConnectionRefusedError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from pkdoors.client._driving import Driving
from pkdoors.client.core.actions import Action, Connect, Seal, Send
from pkdoors.client.core.agent import traceAsk
from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.events import (
    Found,
    Traced,
    ignore,
)
from pkdoors.client.core.methods import Tools
from pkdoors.client.core.plan import Plan
from pkdoors.client.core.visit import FOREVER
from pkdoors.client.network import describeError, lookUp, sendSyn
from pkdoors.client.reactor._agent import askWith
from pkdoors.client.reactor._stun import exchangeWith
from pkdoors.client.reactor._work import workWith
from pkdoors.errors import KnockError
from pkdoors.model.knockports import TcpPort

Trace = Callable[[Traced], None]


async def resolve(reactor: Any, attempt: Attempt) -> list[str]:
    """
    Return the addresses of an attempt's host.

    @raise KnockError: it has none.
    """
    return await workWith(reactor)(partial(lookUp, attempt.host, attempt.family))


def makeTools(reactor: Any, say: Callable[[str], None], trace: Trace = ignore) -> Tools:
    """Return what methods need of this driver."""
    work = workWith(reactor)
    return Tools(traceAsk(askWith(reactor), trace), work, exchangeWith(reactor, work), say, trace)


async def perform(
    reactor: Any, attempt: Attempt, say: Callable[[str], None], trace: Trace = ignore
) -> Outcome:
    """
    Get through the door of a host.

    @param say: called with lines for the user about the progress.
    @param trace: called with each action before it is done, and with what happens, for a report.
    @raise KnockError: the knock could not be sent, or the port did not open.
    """
    addresses = await resolve(reactor, attempt)
    trace(Found(attempt.host, tuple(addresses)))
    driver = VisitDriver(reactor, attempt, addresses, say, trace)
    try:
        await driver.done
    finally:
        driver.close()
    return driver.visit.result()


class _FirstBytes(Protocol):
    """A connection; keeps what the server says first."""

    def __init__(self) -> None:
        self.listener: Callable[[bytes], None] | None = None

    def dataReceived(self, data: bytes) -> None:
        """Tell the listener, once."""
        listener, self.listener = self.listener, None
        if listener:
            listener(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the listener that nothing comes any more."""
        self.dataReceived(b"")


class VisitDriver(Driving):
    """
    Does what a visit asks for. It begins at once.

    @ivar done: fires when the visit is over.
    """

    def __init__(
        self,
        reactor: Any,
        attempt: Attempt,
        addresses: Iterable[str],
        say: Callable[[str], None],
        trace: Trace,
    ) -> None:
        super().__init__(attempt, addresses, reactor.seconds, makeTools(reactor, say, trace))
        self._reactor = reactor
        self._senders: dict[str, Any] = {}
        self._tries: dict[int, Deferred[Any]] = {}
        self._connections: dict[int, _FirstBytes] = {}
        self._sealing: Deferred[None] | None = None
        self._call: IDelayedCall | None = None
        self._isClosed = False
        self.done: Deferred[None] = Deferred(lambda cancelled: self.close())
        self._begin()

    def close(self) -> None:
        """Close what is open, and do nothing any more."""
        self._isBusy = self._isClosed = True
        self._stopCall()
        sealing, self._sealing = self._sealing, None
        if sealing:
            sealing.cancel()
        for number in [*self._tries, *self._connections]:
            self._abandon(number)
        for sender in self._senders.values():
            sender.stopListening()
        self._senders.clear()

    def _do(self, actions: Iterable[Action]) -> None:
        try:
            super()._do(actions)
        except Exception:
            self._crash(Failure())

    def _crash(self, failure: Failure) -> None:
        """Pass on a fault of the program: nobody must wait for ever because of it."""
        if not self._isClosed:
            self.close()
            self.done.errback(failure)

    def _end(self) -> None:
        self.close()
        self.done.callback(None)

    def _wakeAt(self, when: float) -> None:
        self._stopCall()
        if when < FOREVER:
            left = max(0.0, when - self._clock())
            self._call = self._reactor.callLater(left, self._tick)

    def _stopCall(self) -> None:
        call, self._call = self._call, None
        if call and call.active():
            call.cancel()

    def _seal(self, action: Seal) -> None:
        self._sealing = Deferred.fromCoroutine(self._plan(action))
        self._sealing.addErrback(self._crash)

    async def _plan(self, action: Seal) -> None:
        result: Plan | KnockError | OSError
        try:
            await self._prepare()
            method = self._attempt.method
            result = await method.plan(action.address, self._tools, action.isFirst)
        except (KnockError, OSError) as error:
            result = error
        self._finishSeal(action.address, result)

    def _listen(self, number: int) -> None:
        self._connections[number].listener = self._noteGreeting

    def _send(self, action: Send) -> None:
        try:
            if isinstance(action.port, TcpPort):
                sendSyn(action.address, action.port.number)
            else:
                sender = self._senderFor(action.address)
                sender.write(action.datagram, (action.address, action.port))
        except OSError as error:
            self._fail(action.address, describeError(error))
        except CannotListenError as error:  # this host has no IPv6, say
            self._fail(action.address, describeError(error.socketError))

    def _senderFor(self, address: str) -> Any:
        interface = "::" if ":" in address else ""
        if interface not in self._senders:
            sender = self._reactor.listenUDP(0, DatagramProtocol(), interface=interface)
            self._senders[interface] = sender
        return self._senders[interface]

    def _connect(self, action: Connect) -> None:
        kind = TCP6ClientEndpoint if ":" in action.address else TCP4ClientEndpoint
        # The visit ends its tries; until then, even a late answer is welcome.
        endpoint = kind(self._reactor, action.address, action.port, timeout=3600)
        attempt = endpoint.connect(Factory.forProtocol(_FirstBytes))
        self._tries[action.number] = attempt
        attempt.addCallbacks(
            partial(self._answer, action.number), partial(self._lose, action.number)
        )

    def _answer(self, number: int, connection: _FirstBytes) -> None:
        del self._tries[number]
        self._connections[number] = connection
        self._noteConnected(number)

    def _lose(self, number: int, failure: Failure) -> None:
        if self._tries.pop(number, None):  # otherwise it was given up
            self._noteLost(number, failure.check(ConnectionRefusedError) is not None)

    def _abandon(self, number: int) -> None:
        attempt = self._tries.pop(number, None)
        if attempt:
            attempt.cancel()
        connection = self._connections.pop(number, None)
        if connection:
            connection.listener = None
            transport: Any = connection.transport
            transport.abortConnection()
