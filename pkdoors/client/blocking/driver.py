"""
Runs visits with sockets and a loop, until all are over.

A client that knocks once is over before Twisted is loaded; that is why this driver exists.
"""

import selectors
import socket
from collections.abc import Callable, Iterable
from errno import ECONNREFUSED
from functools import partial

from pkdoors.client._driving import Driving
from pkdoors.client.blocking._agent import Asking
from pkdoors.client.blocking._loop import Loop
from pkdoors.client.blocking._names import lookUpIn
from pkdoors.client.blocking._stun import StunExchange
from pkdoors.client.blocking._work import Turn, Work, workAtOnce
from pkdoors.client.core.actions import Connect, Seal, Send
from pkdoors.client.core.agent import traceAsk
from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.events import (
    Found,
    Traced,
    ignore,
)
from pkdoors.client.core.methods import Tools
from pkdoors.client.core.plan import Plan
from pkdoors.client.network import describeError, familyOf, sendSyn
from pkdoors.errors import KnockError
from pkdoors.model.knockports import TcpPort, numberOf

GREETING_SIZE = 256
"""Bytes of the server's first line that are looked at."""


def perform(
    attempt: Attempt,
    say: Callable[[str], None],
    trace: Callable[[Traced], None] = ignore,
) -> tuple[Outcome, socket.socket | None]:
    """
    Get through the door of a host.

    @param say: called with lines for the user about the progress.
    @param trace: called with each action before it is done, and with what happens, for a report.
    @return: the outcome; and the connection that answered first, in blocking mode, if the attempt
        is a race.
    @raise KnockError: the knock could not be sent, or the port did not open.
    """
    loop = Loop()
    try:
        return _perform(loop, attempt, say, trace)
    finally:
        loop.close()


def _perform(
    loop: Loop, attempt: Attempt, say: Callable[[str], None], trace: Callable[[Traced], None]
) -> tuple[Outcome, socket.socket | None]:
    addresses = lookUpIn(loop, attempt.host, attempt.family)
    trace(Found(attempt.host, tuple(addresses)))
    driver = VisitDriver(loop, attempt, addresses, say, trace)
    try:
        while not driver.visit.isOver:
            loop.turn()
    finally:
        driver.close()
    return driver.visit.result(), driver.connection


class VisitDriver(Driving):
    """
    Does what a visit asks for. It begins at once.

    @param onOver: called when the visit is over, with this.
    @ivar connection: the one that answered, in blocking mode, if the attempt is a race.
    """

    def __init__(
        self,
        loop: Loop,
        attempt: Attempt,
        addresses: Iterable[str],
        say: Callable[[str], None],
        trace: Callable[[Traced], None],
        onOver: Callable[["VisitDriver"], None] = lambda driver: None,
    ) -> None:
        tools = Tools(traceAsk(Asking, trace), workAtOnce, StunExchange, say, trace)
        super().__init__(attempt, addresses, loop.clock, tools)
        self._loop = loop
        self._onOver = onOver
        self._senders: dict[int, socket.socket] = {}
        self._tries: dict[int, socket.socket] = {}
        self._work: Work | None = None
        self.connection: socket.socket | None = None
        self._begin()

    def close(self) -> None:
        """Close what is open, except for the connection that the user wants."""
        self._loop.cancel(self)
        if self._work:
            self._work.stop()
            self._work = None
        if self._attempt.isRace and self.visit.taken in self._tries:
            self.connection = self._tries.pop(self.visit.taken)
            self._loop.forget(self.connection)
            self.connection.setblocking(True)
        for number in list(self._tries):
            self._abandon(number)
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()

    def _end(self) -> None:
        self.close()
        self._onOver(self)

    def _wakeAt(self, when: float) -> None:
        self._loop.callAt(self, when, self._tick)

    def _listen(self, number: int) -> None:
        read = partial(self._greet, number)
        self._loop.watch(self._tries[number], selectors.EVENT_READ, read)

    def _seal(self, action: Seal) -> None:
        finish = partial(self._finishSeal, action.address)
        self._work = Work(self._loop, self._plan(action), finish)
        self._work.start()

    async def _plan(self, action: Seal) -> Plan:
        await self._prepare()
        if await self._attempt.method.asksAgent(self._tools):
            await Turn()
        return await self._attempt.method.plan(action.address, self._tools, action.isFirst)

    def _finishSeal(self, address: str, result: Plan | KnockError | OSError) -> None:
        self._work = None
        super()._finishSeal(address, result)

    def _send(self, action: Send) -> None:
        try:
            if isinstance(action.port, TcpPort):
                sendSyn(action.address, action.port.number)
            else:
                _sendDatagram(self._senderFor(action.address), action)
        except OSError as error:
            self._fail(action.address, describeError(error))

    def _senderFor(self, address: str) -> socket.socket:
        family = familyOf(address)
        if family not in self._senders:
            self._senders[family] = socket.socket(family, socket.SOCK_DGRAM)
        return self._senders[family]

    def _connect(self, action: Connect) -> None:
        number = action.number
        try:
            connection = socket.socket(familyOf(action.address), socket.SOCK_STREAM)
            self._tries[number] = connection
            connection.setblocking(False)
            connection.connect((action.address, action.port))
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(number, error.errno)
            return
        self._loop.watch(connection, selectors.EVENT_WRITE, partial(self._answer, number))

    def _answer(self, number: int) -> None:
        """A try to connect has an answer."""
        error = self._tries[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._lose(number, error)
        else:
            self._noteConnected(number)

    def _lose(self, number: int, error: int | None) -> None:
        self._abandon(number)
        self._noteLost(number, error == ECONNREFUSED)

    def _greet(self, number: int) -> None:
        try:
            data = self._tries[number].recv(GREETING_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._abandon(number)
        self._noteGreeting(data)

    def _abandon(self, number: int) -> None:
        if connection := self._tries.pop(number, None):
            self._loop.forget(connection)
            connection.close()


def _sendDatagram(sender: socket.socket, action: Send) -> None:
    where = action.address, numberOf(action.port)
    try:
        sender.sendto(action.datagram, where)
    except ConnectionError:  # so Windows says that the host refused an earlier one
        sender.sendto(action.datagram, where)
