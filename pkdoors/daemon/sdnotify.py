"""
Notifies the service manager that the daemon is ready, that it is alive, and that it stops;
C{sd_notify(3)}. And how well the daemon is.
"""

import os
import re
import socket
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.daemon.audit import AuditFile
from pkdoors.daemon.component import Component
from pkdoors.daemon.listening import IKnockPorts
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.reload import Reloader
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.events.event import RELOAD_REFUSED, RELOADED, Event
from pkdoors.util.oneline import oneLine

SEND_TIMEOUT = 1.0
"""Seconds to wait until the manager has room for an important message."""


class Notifier(Component):
    """
    Does nothing, and has no timer, if the environment names no manager.

    @param clock: the reactor: if it hangs, the manager gets no sign of life either.
    @param environment: names the manager. Those variables are removed from it: a hook of ours must
        not notify the manager in our name.
    @param status: returns in one line what the daemon does, for C{systemctl status}.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        environment: MutableMapping[str, str],
        status: Callable[[], str],
    ) -> None:
        self._clock = clock
        self._status = status
        self._address = _parseAddress(environment.pop("NOTIFY_SOCKET", ""))
        self._interval = _parseSeconds(environment.pop("WATCHDOG_USEC", "")) / 2
        self._watched = environment.pop("WATCHDOG_PID", "")
        self._next: IDelayedCall | None = None
        self._isReady = False

    def ready(self) -> None:
        """See L{Component.ready}. From now on, send signs of life if the manager wants them."""
        self._isReady = True
        self._send(f"READY=1\nSTATUS={self._status()}", SEND_TIMEOUT)
        if self._address and self._interval and self._watched in ("", str(os.getpid())):
            self._sendAlive()

    def hear(self, event: Event) -> None:
        """Hear an event: after a reload there may be other doors, or a trouble."""
        if event.kind in (RELOADED, RELOAD_REFUSED):
            self.sendStatus()

    def sendStatus(self) -> None:
        """Send what the daemon does now, if it has said that it is ready."""
        if self._isReady:
            with suppress(BlockingIOError):  # no knock may wait for that
                self._send(f"STATUS={self._status()}", 0)

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._send("STOPPING=1", SEND_TIMEOUT)
        return succeed(None)

    def _sendAlive(self) -> None:
        self._next = self._clock.callLater(self._interval, self._sendAlive)
        with suppress(BlockingIOError):  # it still has some to read
            self._send("WATCHDOG=1", 0)

    def _send(self, message: str, patience: float) -> None:
        """Send with a new socket: the manager makes its own again when it is itself replaced."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(patience)
            try:
                manager.sendto(message.encode(), self._address)
            except BlockingIOError:
                raise
            except OSError as error:
                self._log.warn(
                    "cannot notify the service manager of {state} (NOTIFY_SOCKET): {reason}",
                    state=message.partition("\n")[0],
                    reason=error.strerror or error,
                )


def _parseAddress(name: str) -> str:
    """Return the address of a socket that is a file or (C{@}) abstract; empty for any other."""
    return re.sub("^@", "\0", name) if name.startswith(("/", "@")) else ""


def _parseSeconds(microseconds: str) -> float:
    return int(microseconds) / 1e6 if re.fullmatch("[0-9]{1,18}", microseconds) else 0.0


MAX_STATE = 2000
"""Characters of L{Health.line}."""


class Health:
    """
    What the daemon does, and what it cannot do.

    @param firewallName: the name of the firewall that guards the doors.
    @param fleet: returns what keeps this host from its fleet, a sentence each.
    """

    def __init__(
        self,
        keeper: Doorkeeper,
        firewallName: str,
        ports: IKnockPorts[Any],
        smith: Locksmith,
        audit: AuditFile,
        reloader: Reloader,
        fleet: Callable[[], list[str]] = list,
    ) -> None:
        self._fleet = fleet
        self._keeper = keeper
        self._firewallName = firewallName
        self._ports = ports
        self._smith = smith
        self._audit = audit
        self._reloader = reloader

    def troubles(self) -> list[str]:
        """Return what keeps the daemon from doing all that it should, a sentence for each."""
        others = filter(None, (self._audit.trouble, self._reloader.refusal))
        return [*self._ports.troubles(), *self._smith.examine(), *others, *self._fleet()]

    def line(self) -> str:
        """Return what the daemon does, in one line, and what it cannot do."""
        doors = ", ".join(map(str, self._keeper.doors))
        guards = f"guarding {doors} with {self._firewallName}"
        troubles = "; ".join(self.troubles())
        return oneLine(f"degraded: {troubles} ({guards})", MAX_STATE) if troubles else guards
