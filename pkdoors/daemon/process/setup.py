"""Makes a process a daemon of pkdoors."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from twisted.logger import globalLogPublisher

from pkdoors.daemon.process.signals import handleInterrupt
from pkdoors.errors import PkdoorsError
from pkdoors.host.descriptors import raiseLimit
from pkdoors.util.cleanlog import cleanLog
from pkdoors.util.output import complain

SWITCH = 0.0005
"""Seconds after which a thread has to let another one have its turn; Python's own are ten times as
many. While a thread reads a configuration, the reactor waits for so long after each system call,
and an opening takes several."""


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
