"""
Runs a program whose standard input and output are a connection. Threads read and write: Twisted's
own processes need other libraries on Windows.
"""

import subprocess
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from io import IncrementalNewlineDecoder
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import IO, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from pkdoors.errors import AskError
from pkdoors.util.output import passOn

PIECE = 1 << 16
"""Bytes that are read at once."""
MAX_PIECES = 4
"""Pieces that may wait for the reactor: then the program waits."""
LAST_WORDS = 0.5
"""Seconds to wait for the rest of what the program says. A process that it leaves behind, such as
the master of ssh's shared connections, may never close its standard error."""
GRACE = 2.0
"""Seconds that the program has to end by itself, once its input ends."""


@implementer(ITransport)
class Child:
    """
    A program, as the transport of a protocol. It can ask on the terminal. What it writes to
    standard error is shown, but cannot control the terminal: the host chooses some of it.

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
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:
            reason = error.strerror or error
            raise AskError(f"cannot run {words[0]}: {reason}: install it, or use --ssh") from error
        protocol.makeConnection(self)
        self._showing = self._run(self._showErrors)
        for work in (self._read, self._write):
            self._run(work)

    def _run(self, work: Callable[[], None]) -> Thread:
        thread = Thread(target=work, name="pkdoors-ssh", daemon=True)
        thread.start()
        return thread

    def _showErrors(self) -> None:
        """Show what the program says. Runs in a thread."""
        decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8")("replace"), True)
        errors: Any = self._process.stderr
        while data := errors.read(PIECE):
            passOn(decoder.decode(data))
        passOn(decoder.decode(b"", True))

    def _read(self) -> None:
        """Hand on what the program writes, and its end. Runs in a thread."""
        output: Any = self._process.stdout
        while data := output.read(PIECE):
            self._room.acquire()
            self._reactor.callFromThread(self._deliver, data)
        status = self._process.wait()
        self._showing.join(LAST_WORDS)
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
