"""The kernel's own firewall, in-process through libnftables."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.doors import Door, Opening
from pkdoors.errors import FirewallError
from pkdoors.interfaces import IFirewall
from pkdoors.nftrules import TABLE, closed, guard, opened

_CAP_NET_ADMIN = 12  # linux/capability.h
_NETLINK_NETFILTER = 12  # linux/netlink.h
_NO_NFTABLES = (
    "this kernel has no nftables ({reason}): load its module (modprobe nf_tables), "
    "or run a kernel that has it"
)
_NO_PRIVILEGE = (
    "no privilege to change the firewall (nftables): run as root, "
    "or with the capability CAP_NET_ADMIN"
)


def connect() -> Any:
    """
    A context of libnftables.

    @raise FirewallError: the library or its Python bindings are missing.
    """
    try:
        from nftables import Nftables
    except ImportError as error:
        raise FirewallError(
            "libnftables' Python bindings are missing: install python3-nftables "
            "(a virtual environment needs --system-site-packages to see it)"
        ) from error
    try:
        return Nftables()
    except OSError as error:
        raise FirewallError(
            "the library libnftables is missing: install libnftables1 (Debian, Ubuntu) "
            "or nftables (Fedora)"
        ) from error


def checkKernel(status: Path = Path("/proc/self/status")) -> None:
    """
    See whether there is a firewall and this process may change it. libnftables itself does not
    tell its caller: it writes to the terminal, or even ends the process.

    @param status: where the kernel tells the capabilities; C{proc(5)}.
    @raise FirewallError: one of the two is not so.
    """
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER).close()
    except OSError as error:
        raise FirewallError(_NO_NFTABLES.format(reason=error.strerror)) from error
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    if effective is None or not int(effective[1], 16) >> _CAP_NET_ADMIN & 1:
        raise FirewallError(_NO_PRIVILEGE)


@implementer(IFirewall)
class NftablesFirewall:
    """
    @ivar _context: answers C{cmd(commands)} with C{(status, output, errors)}, as libnftables does.
    """

    _log = Logger()
    name = "nftables"

    def __init__(
        self,
        clock: IReactorTime,
        connect: Callable[[], Any] = connect,
        checkKernel: Callable[[], None] = checkKernel,
    ) -> None:
        self._clock = clock
        self._connect = connect
        self._checkKernel = checkKernel
        self._context: Any = None

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}. The kernel is asked to judge the guard, without taking it."""
        self._checkKernel()
        context = self._connect()
        context.set_dry_run(True)
        _run(context, guard(doors))

    def start(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.start}."""
        self._context = self._connect()
        _run(self._context, guard(doors))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        seconds = opening.deadline - self._clock.seconds()
        return execute(_run, self._context, opened(opening, seconds))

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return execute(_run, self._context, closed(opening))

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}. The guard stays, and the kernel ends the openings."""
        self._log.info("the guard stays: `nft delete table {table}` would end it", table=TABLE)
        return succeed(None)


def _run(context: Any, commands: str) -> None:
    status, _, errors = context.cmd(commands)
    if status:
        raise FirewallError(_explain(errors))


def _explain(errors: str) -> str:
    """One sentence of what libnftables says: its first line, and what to do where we know."""
    first = errors.strip().partition("\n")[0].removeprefix("netlink: ").removeprefix("Error: ")
    if "Operation not permitted" in first:
        return _NO_PRIVILEGE
    if "cache initialization failed" in first:
        return _NO_NFTABLES.format(reason=first)
    if "not supported" in first:
        return f"this kernel lacks a part of nftables that the guard needs ({first})"
    return f"nftables refused: {first or 'no reason given'}"
