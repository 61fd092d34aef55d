"""
Accepts connections to the admin socket, a few at a time, even when descriptors are lacking. It must
be loaded after the reactor, because L{twisted.internet.unix} would load TLS otherwise.
"""

import os
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.unix import Port
from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.python.failure import Failure
from zope.interface import provider

from pkdoors.admin._connections import LINE_INTERVAL

MAX_ACCEPTS = 8
"""Connections that are accepted in one reactor turn; each takes a tenth of a millisecond."""

ACCEPT_PAUSE = 1.0
"""Seconds until the next try to accept one, if there is no descriptor for it."""


@provider(ILogObserver)
def _ignore(event: LogEvent) -> None:
    """Ignore what Twisted logs of each connection that it cannot accept."""


class AdminPort(Port):
    """
    A port that accepts a few connections in each turn, and pauses when descriptors are lacking.
    Twisted's accepts any number, and without descriptors tries again at once and for ever, with a
    log line each time.
    """

    _log = Logger()
    _logger = Logger(observer=_ignore)
    _pause: IDelayedCall | None = None
    _nextLine = 0.0

    def doRead(self) -> None:
        """See L{twisted.internet.interfaces.IReadDescriptor}."""
        try:
            os.close(os.dup(self.fileno()))  # is there a descriptor for a connection?
        except OSError as error:
            self._pauseReading(error)
            return
        self.numberAccepts = MAX_ACCEPTS
        super().doRead()

    def _pauseReading(self, error: OSError) -> None:
        reactor: Any = self.reactor
        self.stopReading()
        self._pause = reactor.callLater(ACCEPT_PAUSE, self.startReading)
        if reactor.seconds() >= self._nextLine:
            self._nextLine = reactor.seconds() + LINE_INTERVAL
            self._log.warn(
                "cannot accept connections to the admin socket: {error}: raise LimitNOFILE= of the "
                "service, or `ulimit -n`",
                error=error.strerror,
            )

    def connectionLost(self, reason: Failure) -> None:
        """See L{Port.connectionLost}."""
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        super().connectionLost(reason)
