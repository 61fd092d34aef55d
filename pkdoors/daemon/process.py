"""
The process of C{twistd pkdoors}: its reactor, signals, log, limits and memory. The service itself
changes none of these: an application can embed it, and keep its own.
"""

import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, Logger, globalLogPublisher
from zope.interface import provider

from pkdoors.daemon.component import Component
from pkdoors.errors import PkdoorsError
from pkdoors.host.descriptors import raiseLimit
from pkdoors.util.cleanlog import cleanLog
from pkdoors.util.output import complain

FULL_EVERY = 50
"""Collections of the second generation, 7,000 new objects each, for one that looks at all objects;
Python has 10. An opening that waits for firewalld is 80 objects. With 1,000 of them, a collection
of all stops the reactor for 20 ms and more."""

SWITCH = 0.0005
"""Seconds after which a thread has to let another one have its turn; Python's own are ten times as
many. While a thread reads a configuration, the reactor waits for so long after each system call,
and an opening takes several."""

_libc = ctypes.CDLL(None)
_log = Logger()


def setUpProcess() -> Any:
    """Make this process a daemon of pkdoors and of nothing else. Return its reactor."""
    handleInterrupt()
    raiseLimit()
    sys.setswitchinterval(SWITCH)
    cleanLog(globalLogPublisher)
    reactor = takeReactor()
    # Twisted's clock is the time of day: if somebody sets that back, timers come late.
    reactor.seconds = time.monotonic
    sys.excepthook = hideTraceback
    return reactor


def takeReactor() -> Any:
    """
    Return Twisted's reactor, without TLS, which we do not use: pyOpenSSL would be a quarter of the
    daemon's memory, and of the time that it takes to start. Twisted does without if that is not
    installed, and an entry of L{None} says that it is not; Python's reference, 5.3.1.
    """
    modules: dict[str, Any] = sys.modules
    isFirst = modules.setdefault("OpenSSL", None) is None
    try:
        from twisted.internet import reactor
    finally:
        if isFirst:
            del modules["OpenSSL"]
    return reactor


def handleInterrupt() -> None:
    """
    Let Ctrl-C end the daemon at any moment: at once before the reactor runs, when there is nothing
    yet that a L{KeyboardInterrupt} would have to put in order, then as Twisted does it. If Twisted
    has caught one before, while it loaded plugins, it is in the log, which repeats it later.
    """

    def interrupt(number: int, frame: object = None) -> None:
        reactor: Any = sys.modules.get("twisted.internet.reactor")
        if reactor is not None and reactor.running:
            reactor.sigInt(number)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        text = str(event.get("log_text", "")).rstrip()
        if event.get("isError") and text.endswith("KeyboardInterrupt:"):
            interrupt(signal.SIGINT)

    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, interrupt)
        globalLogPublisher.addObserver(observe)


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


def refuseUid(parent: Mapping[str, Any] | None) -> None:
    """
    Check that twistd will not give up its privileges.

    @param parent: the options of twistd; L{None} without them.
    @raise PkdoorsError: it will. Then no knock could open anything.
    """
    if parent is not None and (parent.get("uid") or parent.get("euid")):
        raise PkdoorsError(
            "twistd's --uid would take from the daemon the right to change the firewall: leave it "
            "out, or let a service manager start the daemon with CAP_NET_ADMIN"
        )


def hideTraceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print one line if the start fails. Any other error is a mistake of ours, with a traceback."""
    if not isinstance(error, PkdoorsError):
        sys.__excepthook__(kind, error, trace)
    elif not error.isLogged:
        complain("pkdoors", str(error))


class MemoryTrim(Component):
    """
    Returns the memory that only the start needed, 1.5 MB, when the daemon is ready;
    C{malloc_trim(3)}.

    Python's garbage collector looks no more at what is loaded by then: 50,000 objects. Otherwise
    the first of many clients that knock at once would wait for that.
    """

    def __init__(
        self,
        freeze: Callable[[], None] = gc.freeze,
        setThreshold: Callable[[int, int, int], None] = gc.set_threshold,
    ) -> None:
        self._freeze = freeze
        self._setThreshold = setThreshold

    def ready(self) -> None:
        """See L{Component.ready}."""
        self._freeze()
        self._setThreshold(700, 10, FULL_EVERY)  # the first two are Python's own
        if hasattr(_libc, "malloc_trim"):  # only the GNU C library has it
            _libc.malloc_trim(0)
