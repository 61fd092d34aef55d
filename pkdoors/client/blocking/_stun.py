"""One question to a STUN server, in a loop of L{pkdoors.client.blocking.driver}."""

import selectors
import socket
from collections.abc import Callable, Generator

from pkdoors.client.blocking._loop import Loop
from pkdoors.client.core.stun import LAST, MAX_ANSWER, TIMES, Server, StunError, Transaction
from pkdoors.client.network import familyOf, lookUp
from pkdoors.errors import KnockError
from pkdoors.util.durations import formatDuration

Done = Callable[[str | Exception], None]


class StunExchange:
    """A question. Whoever awaits it gets the address; the loop finds out when it is there."""

    def __init__(self, server: Server, family: int, transaction: Transaction) -> None:
        self._server = server
        self._family = family
        self._transaction = transaction
        self._socket: socket.socket | None = None

    def __await__(self) -> Generator["StunExchange", str, str]:
        address = yield self
        return address

    def begin(self, loop: Loop, done: Done) -> None:
        """
        Ask, and call C{done} with the address or with the error. Looking up the server's name
        waits for an answer.
        """
        self._loop, self._done, self._began = loop, done, loop.clock()
        try:
            address = lookUp(self._server.host, self._family)[0]
            self._socket = socket.socket(familyOf(address), socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect((address, self._server.port))  # so the kernel checks the source
        except (KnockError, OSError) as error:
            self._end(error)
            return
        self._began = loop.clock()
        loop.watch(self._socket, selectors.EVENT_READ, self._receive)
        self._send(0)

    def stop(self) -> None:
        """Ask no more."""
        if self._socket:
            self._loop.cancel(self)
            self._loop.forget(self._socket)
            self._socket.close()
            self._socket = None

    def _send(self, index: int) -> None:
        assert self._socket is not None
        if index == len(TIMES):
            self._end(StunError(f"does not answer within {formatDuration(LAST)}"))
            return
        try:
            self._socket.send(self._transaction.question)
        except (ConnectionRefusedError, ConnectionResetError):  # as Linux and Windows say it
            self._end(StunError("refuses datagrams"))
            return
        except OSError as error:
            self._end(error)
            return
        after = (*TIMES, LAST)[index + 1]
        self._loop.callAt(self, self._began + after, lambda: self._send(index + 1))

    def _receive(self) -> None:
        assert self._socket is not None
        try:
            address = self._transaction.receive(self._socket.recv(MAX_ANSWER))
        except BlockingIOError:
            return
        except (ConnectionRefusedError, ConnectionResetError):  # as Linux and Windows say it
            self._end(StunError("refuses datagrams"))
        except (StunError, OSError) as error:
            self._end(error)
        else:
            if address is not None:
                self._end(address)

    def _end(self, result: str | Exception) -> None:
        self.stop()
        self._done(result)
