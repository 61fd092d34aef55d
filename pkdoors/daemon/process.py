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

OLD_EVERY = 0
"""Collections of Python's second generation, 7,000 new objects each, that may pass without one of
the third. Each takes some milliseconds; of three generations together it was 20."""
FEW = 100_000
"""Objects that the collector may look at in one go, which holds the reactor for 10 to 15 ms."""
SELDOM = 3600.0
"""Seconds between two collections that look at all objects."""

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


class Memory(Component):
    """
    Keeps Python's garbage collector from holding the reactor, and returns the memory that only the
    start needed, 1.5 MB, when the daemon is ready; C{malloc_trim(3)}.

    A collection of the third generation looks at all objects that the collector knows: with 65,000
    openings that takes 0.2 s. So the collector forgets what is there as soon as it has looked at
    it once: C{gc.freeze()}. References are counted as before, so what is forgotten is freed, unless
    objects refer to each other in a circle. Openings leave none. For whatever does, the collector
    looks at all objects again, once an hour, if they are not too many, or twice as many as after
    the last time: then much may be left in circles.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, collector: Any = gc) -> None:
        self._clock = clock
        self._collector = collector
        self._nextWhole = 0.0  # when all objects may be looked at again
        self._isWhole = False  # whether that happens now
        self._left = 0  # how many objects there were after the last time

    def ready(self) -> None:
        """See L{Component.ready}."""
        self._collector.freeze()
        self._collector.set_threshold(700, 10, OLD_EVERY)  # the first two are Python's own
        self._left = self._collector.get_freeze_count()
        self._nextWhole = self._clock() + SELDOM
        self._collector.callbacks.append(self._onCollection)
        if hasattr(_libc, "malloc_trim"):  # only the GNU C library has it
            _libc.malloc_trim(0)

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        if self._onCollection in self._collector.callbacks:
            self._collector.callbacks.remove(self._onCollection)
        return super().stop()

    def _onCollection(self, phase: str, info: Mapping[str, int]) -> None:
        """Hear of a collection: it is about to begin, or has just ended."""
        if info["generation"] < 2:
            return
        if phase == "stop":
            self._collector.freeze()
            if self._isWhole:
                self._isWhole, self._left = False, self._collector.get_freeze_count()
        elif (now := self._clock()) >= self._nextWhole:
            self._nextWhole = now + SELDOM
            count = self._collector.get_freeze_count()
            if count <= FEW or count >= 2 * self._left:
                self._isWhole = True
                self._collector.unfreeze()
