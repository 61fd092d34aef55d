"""
Runs a program whose standard input and output are a connection. Threads read and write: Twisted's
own processes need other libraries on Windows.
"""

import subprocess
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import IO, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from pkdoors.errors import AskError

PIECE = 1 << 16
"""Bytes that are read at once."""
MAX_PIECES = 4
"""Pieces that may wait for the reactor: then the program waits."""
GRACE = 2.0
"""Seconds that the program has to end by itself, once its input ends."""


@implementer(ITransport)
class Child:
    """
    A program, as the transport of a protocol. Its standard error is ours, and it can ask on the
    terminal.

    @ivar ended: fires with the exit status.
    """

    def __init__(self, reactor: Any, words: Sequence[str], protocol: IProtocol) -> None:
        """
        Start it.

        @raise AskError: it cannot be started.
        """
        self.ended: Deferred[int] = Deferred()
        self._reactor = reactor
        self._protocol = protocol
        self._room = Semaphore(MAX_PIECES)
        self._unwritten: SimpleQueue[bytes | None] = SimpleQueue()
        self._isClosing = False
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            reason = error.strerror or error
            raise AskError(f"cannot run {words[0]}: {reason}: install it, or use --ssh") from error
        protocol.makeConnection(self)
        for work in (self._read, self._write):
            Thread(target=work, name="pkdoors-ssh", daemon=True).start()

    def _read(self) -> None:
        """Hand on what the program writes, and its end. Runs in a thread."""
        output: Any = self._process.stdout
        while data := output.read(PIECE):
            self._room.acquire()
            self._reactor.callFromThread(self._deliver, data)
        status = self._process.wait()
        self._unwritten.put(None)
        self._reactor.callFromThread(self._finish, status)

    def _write(self) -> None:
        """Write what waits. Runs in a thread."""
        stream: IO[bytes] | None = self._process.stdin
        assert stream is not None
        try:
            while (data := self._unwritten.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[stream.write(view) :]
        except OSError:
            pass  # it has ended, and the other thread sees that
        finally:
            try:
                stream.close()
            except OSError:
                pass

    def _deliver(self, data: bytes) -> None:
        self._room.release()
        self._protocol.dataReceived(data)

    def _finish(self, status: int) -> None:
        self._protocol.connectionLost(connectionDone)
        self.ended.callback(status)

    def write(self, data: bytes) -> None:
        """See L{ITransport}."""
        self._unwritten.put(data)

    def writeSequence(self, data: Any) -> None:
        """See L{ITransport}."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """End the program's input, and the program itself if that is not enough."""
        if not self._isClosing:
            self._isClosing = True
            self._unwritten.put(None)
            end = self._reactor.callLater(GRACE, self._process.kill)
            self.ended.addCallback(lambda status: self._cancel(end, status))

    def _cancel(self, call: Any, status: int) -> int:
        if call.active():
            call.cancel()
        return status

    def getPeer(self) -> Any:
        """See L{ITransport}."""
        return None

    def getHost(self) -> Any:
        """See L{ITransport}."""
        return None
