"""
Loads what answers the operator when somebody asks: HTTP takes 5 MB, and most daemons are never
asked.
"""

from collections.abc import Callable
from threading import Thread
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.steering import Steering


def inThread(work: Callable[[], None]) -> None:
    """Work beside the reactor. A daemon: the process may end before the work does."""
    Thread(target=work, name="pkdoors-admin", daemon=True).start()


class AdminSite(Factory):
    """
    Takes connections from the first moment. The first one has what answers them loaded, while
    knocks are heard, and until that is there, all wait.

    @param begin: has something done in a thread.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        steering: Steering,
        begin: Callable[[Callable[[], None]], None] = inThread,
    ) -> None:
        self._reactor = reactor
        self._steering = steering
        self._begin = begin
        self._site: Any = None
        self._isLoading = False
        self._waiting: list[Held] = []

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """See L{twisted.internet.interfaces.IProtocolFactory}."""
        if self._site is not None:
            answering: Protocol | None = self._site.buildProtocol(addr)
            return answering
        held = Held(addr, self._waiting.remove)
        self._waiting.append(held)
        if not self._isLoading:
            self._isLoading = True
            self._begin(self._load)
        return held

    def _load(self) -> None:
        """In the thread, where the reactor and the daemon are only passed on."""
        try:
            from pkdoors.admin.resources import makeSite

            site = makeSite(self._reactor, self._steering)
        except Exception:  # part of the program is gone or new; the doors are another part
            self._reactor.callFromThread(self._failed, Failure())
        else:
            self._reactor.callFromThread(self._loaded, site)

    def _loaded(self, site: Any) -> None:
        self._site = site
        for held in self._take():
            held.become(self._site.buildProtocol(held.address))

    def _failed(self, failure: Failure) -> None:
        self._log.failure("what answers on the admin socket could not be loaded", failure)
        for held in self._take():
            held.hangUp()

    def _take(self) -> "list[Held]":
        """Those who waited; who comes later has it loaded anew, where that failed."""
        waiting, self._waiting[:], self._isLoading = self._waiting[:], [], False
        return waiting


class Held(Protocol):
    """
    A connection that nothing is read of until somebody answers it.

    @param gone: called where it is lost before that.
    """

    def __init__(self, address: IAddress | None, gone: "Callable[[Held], None]") -> None:
        self.address = address
        self._gone = gone
        self._answering: IProtocol | None = None

    def connectionMade(self) -> None:
        """See L{IProtocol}."""
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def become(self, answering: IProtocol) -> None:
        """From now on this one answers."""
        self._answering = answering
        assert self.transport is not None
        answering.makeConnection(self.transport)
        self.transport.resumeProducing()  # type: ignore[attr-defined]

    def hangUp(self) -> None:
        """Nobody will answer."""
        self._gone = lambda held: None
        assert self.transport is not None
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """See L{IProtocol}."""
        assert self._answering is not None, "it is paused"
        self._answering.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{IProtocol}."""
        if self._answering is None:
            self._gone(self)
        else:
            self._answering.connectionLost(reason)
