"""Takes connections to the admin socket, few at a time, even when descriptors are lacking."""

import os
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.unix import Port
from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.python.failure import Failure
from zope.interface import provider

MAX_ACCEPTS = 8
"""Connections that are taken in one turn of the reactor; each takes a tenth of a millisecond."""

PAUSE = 1.0
"""Seconds until the next try to take one, where there is no descriptor for it."""

INTERVAL = 60.0
"""Seconds between two lines about that, at least."""


@provider(ILogObserver)
def _ignore(event: LogEvent) -> None:
    """What Twisted says of each connection that it cannot take."""


class AdminPort(Port):
    """
    Twisted's, which would take any number at once, and which where descriptors are lacking tries
    again at once and for ever, with a line each time.
    """

    _log = Logger()
    _logger = Logger(observer=_ignore)
    _pause: IDelayedCall | None = None
    _nextLine = 0.0

    def doRead(self) -> None:
        """See L{twisted.internet.interfaces.IReadDescriptor}."""
        try:
            os.close(os.dup(self.fileno()))
        except OSError as error:
            self._wait(error)
            return
        self.numberAccepts = MAX_ACCEPTS
        super().doRead()

    def _wait(self, error: OSError) -> None:
        reactor: Any = self.reactor
        self.stopReading()
        self._pause = reactor.callLater(PAUSE, self.startReading)
        if reactor.seconds() >= self._nextLine:
            self._nextLine = reactor.seconds() + INTERVAL
            self._log.warn(
                "cannot take connections to the admin socket: {error}: raise LimitNOFILE= of the "
                "service, or `ulimit -n`",
                error=error.strerror,
            )

    def connectionLost(self, reason: Failure) -> None:
        """See L{Port.connectionLost}."""
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        super().connectionLost(reason)
