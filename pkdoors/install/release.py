"""C{pkdoors release}: removes all that pkdoors ever put into a firewall, and nothing else."""

import os
import signal
import time
from collections.abc import Iterator

from pkdoors.config.lastgood import STATE, removeCopies
from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import isRunning
from pkdoors.firewall.netlink.kernel import checkPrivilege
from pkdoors.firewall.nftables.standalone import removeGuard
from pkdoors.host.instance import AlreadyRunning, Instance, InstanceError

END_TIMEOUT = 20.0
"""Seconds for a daemon to end: it may wait 5 for firewalld, and some for hooks."""
_PAUSE = 0.05


def release(force: bool) -> list[str]:
    """
    Remove it. Before that, ask a running daemon to end: it would put everything back, and perhaps
    no other process can change its guard.

    @param force: do not ask it.
    @return: what was done, a line each.
    @raise PkdoorsError: the daemon does not end, or a firewall refuses.
    """
    checkPrivilege()
    instance = Instance()
    done = [] if force else list(_end(instance))
    removed = [f"removed from {line}" for line in removeGuard()]
    try:
        if isRunning():
            removed += [f"removed from {line}" for line in ZoneClient().release()]
    except FirewallError as error:
        sofar = "; ".join(removed) or "nothing was removed"
        raise FirewallError(f"{error} (so far: {sofar})") from error
    return done + removed


def releaseAll(force: bool = False) -> list[str]:
    """
    Remove it, and the copies of the last good configuration, with which a daemon that lacks its
    own would close the ports again. They go even if a firewall refuses.

    @param force: see L{release}.
    @raise PkdoorsError: see L{release}; or a copy cannot be removed.
    """
    try:
        lines = release(force)
    except FirewallError:
        removeCopies(STATE)
        raise
    removeCopies(STATE)
    return lines


def _end(instance: Instance) -> Iterator[str]:
    """End the daemon, and prevent that another one starts until this process has ended."""
    asked: int | None = None
    until = time.monotonic() + END_TIMEOUT
    while True:
        try:
            instance.take()
        except AlreadyRunning as error:
            process = _findHolder(instance)
            if process is None or time.monotonic() > until:
                name = f"the daemon (process {process})" if process else "the daemon"
                raise InstanceError(f"{name} does not end: stop it, then try again") from error
            if process != asked:
                asked = process
                _terminate(process)
        else:
            break
        time.sleep(_PAUSE)
    if asked is not None:
        yield f"ended the daemon (process {asked})"


def _findHolder(instance: Instance) -> int | None:
    try:
        return instance.findHolder()
    except OSError:
        return None


def _terminate(process: int) -> None:
    try:
        os.kill(process, signal.SIGTERM)
    except ProcessLookupError:  # it has just ended
        pass
    except PermissionError as error:
        raise InstanceError(
            f"no privilege to end the daemon (process {process}): run as root"
        ) from error
