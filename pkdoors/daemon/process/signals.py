"""The signals that end the daemon, or make it read its configuration again."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, Logger, globalLogPublisher
from zope.interface import provider

from pkdoors.errors import PkdoorsError

_ENDS = {signal.SIGINT: b"interrupted", signal.SIGTERM: b"ended by SIGTERM"}

_log = Logger()


def handleInterrupt() -> None:
    """
    Let Ctrl-C and SIGTERM end the daemon at any moment: at once and with one line before the
    reactor runs, when there is nothing yet that somebody would have to put in order, then as
    Twisted does it. If Twisted has caught a L{KeyboardInterrupt} before, while it loaded plugins,
    it is in the log, which repeats it later.
    """
    globalLogPublisher.removeObserver(_observeInterrupt)
    for number in _ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup(1) and a shell's `&` set it
            signal.signal(number, _end)
            globalLogPublisher.addObserver(_observeInterrupt)


def _end(number: int, frame: object = None) -> None:
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and reactor.running:
        (reactor.sigInt if number == signal.SIGINT else reactor.sigTerm)(number)
        return
    os.write(2, b"pkdoors: %s\n" % _ENDS[signal.Signals(number)])
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@provider(ILogObserver)
def _observeInterrupt(event: LogEvent) -> None:
    text = str(event.get("log_text", "")).rstrip()
    if event.get("isError") and text.endswith("KeyboardInterrupt:"):
        _end(signal.SIGINT)


def handleHangup(
    parent: Mapping[str, Any] | None, reactor: Any, reload: Callable[[], Deferred[Any]]
) -> None:
    """
    Let SIGHUP reload. The kernel sends one, too, when the terminal of a daemon in the foreground
    goes away: then the daemon ends in order, unless nohup(1) forbids that.

    @param parent: the options of twistd, or of twist; L{None} for neither.
    """
    # Only twistd has a background; twist does not.
    isForeground = parent is None or bool(parent.get("nodaemon", True))
    before = signal.getsignal(signal.SIGHUP)
    isBound = isForeground and before != signal.SIG_IGN and _hasTerminal()

    def hangUp(*_: object) -> None:
        isGone = isBound and not _hasTerminal()
        reactor.callFromThread(reactor.stop if isGone else reloadLogged)

    def reloadLogged() -> None:
        done = reload()
        done.addErrback(lambda failure: failure.trap(PkdoorsError))  # an event says so already
        done.addErrback(lambda failure: _log.failure("a reload went wrong", failure))

    signal.signal(signal.SIGHUP, hangUp)


def _hasTerminal() -> bool:
    """Return whether this process has a controlling terminal; C{tty(4)}."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
