"""
The kernel's own firewall, in-process through libnftables.

One table of our own, C{inet pkdoors}. It guards: an accept here cannot overrule another table's
drop, but a drop here always counts. So the protected ports are closed whatever else runs on the
host, before DNAT, so that ports which Docker publishes are, too. Openings are set elements with a
timeout: the kernel ends them, with no daemon alive.
"""

import re
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.doors import Door, Opening
from pkdoors.errors import FirewallError
from pkdoors.interfaces import IFirewall
from pkdoors.ports import PortRange, merged

TABLE = "inet pkdoors"
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

MAX_ELEMENTS = 65_536
"""Addresses in one set: a bound for the kernel's memory, far above what the doorkeeper opens."""

_SETS = """
    set {door}_ports {{
        type inet_proto . inet_service; flags interval; elements = {{ {ports} }}
    }}
    set {door}_open4 {{ type ipv4_addr; flags timeout; size {size}; }}
    set {door}_open6 {{ type ipv6_addr; flags timeout; size {size}; }}"""

_ACCEPTS = """
        meta l4proto . th dport @{door}_ports ip saddr @{door}_open4 accept
        meta l4proto . th dport @{door}_ports ip6 saddr @{door}_open6 accept"""

# Priority -155: after connection tracking (-200), before DNAT (-100). What is routed through this
# host passes; broadcast, multicast and anycast, which this host takes in as well, do not.
_TABLE = """
table {table} {{
    set protected {{
        type inet_proto . inet_service; flags interval; elements = {{ {ports} }}
    }}{sets}
    chain guard {{
        type filter hook prerouting priority mangle - 5; policy accept;
        iif "lo" accept
        fib daddr type unicast accept
        meta l4proto . th dport != @protected accept
        ct state established,related accept{accepts}
        counter drop
    }}
}}
"""


def guard(doors: Iterable[Door]) -> str:
    """
    The nft commands that put the guard in place with all doors closed, in one transaction: there
    is no moment in which the ports are open.
    """
    doors = list(doors)
    protected = merged(ports for door in doors for ports in door.ports)
    table = _TABLE.format(
        table=TABLE,
        ports=_elements(protected),
        sets="".join(
            _SETS.format(door=door.name, ports=_elements(door.ports), size=MAX_ELEMENTS)
            for door in doors
        ),
        accepts="".join(_ACCEPTS.format(door=door.name) for door in doors),
    )
    # add, delete, add: no error whether the table was there before or not.
    return f"add table {TABLE}\ndelete table {TABLE}\n{table}"


def _elements(ports: Iterable[PortRange]) -> str:
    return ", ".join(f"{each.protocol} . {each.span}" for each in ports)


def closed(opening: Opening) -> str:
    """The nft commands that end an opening; that it has ended already is no error."""
    element = f"element {TABLE} {opening.door.name}_open{opening.source.version}"
    address = f"{{ {opening.source} }}"
    return f"add {element} {address}\ndelete {element} {address}\n"


def opened(opening: Opening, seconds: float) -> str:
    """
    The nft commands that open a door for so many seconds, or give an opening that end. In one
    transaction, so that it is open all the while; removed first because kernels before 6.12 keep
    the old timeout otherwise. Measured, that costs no more than a lone add.
    """
    return closed(opening) + (
        f"add element {TABLE} {opening.door.name}_open{opening.source.version} "
        f"{{ {opening.source} timeout {max(1, round(seconds * 1000))}ms }}\n"
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
