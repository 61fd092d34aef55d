"""
Uses libnftables, and raw netlink messages over the same socket.

It must be one socket: the kernel lets only a table's owner change it, and the owner is a socket.
Then neither `nft flush ruleset` nor anybody else can touch the guard.
"""

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.kernel import (
    NO_NFTABLES,
    NO_PRIVILEGE,
    Kernel,
    NotPermitted,
    borrowKernel,
    checkPrivilege,
    errorFor,
    openNetlink,
)
from pkdoors.firewall.netlink.messages import createTable
from pkdoors.host.descriptors import Spare
from pkdoors.util.quoting import hidePorts

MOST_DESCRIPTOR = 1023
"""The highest descriptor that libnftables can wait for, with select(2): if it gets a higher one, it
ends the process."""

_SOL_NETLINK, _CAP_ACK = 270, 10  # linux/socket.h, linux/netlink.h
_PROBE = "add table inet pkdoors_probe { flags owner, persist; }"
_DESCRIPTORS = "/proc/self/fd"


def connect() -> Any:
    """
    Return a context of libnftables.

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


class Library:
    """
    A context of libnftables. Make it before the process opens many files, and keep it.

    @param connect: returns a context whose C{cmd(commands)} returns C{(status, output, errors)}, as
        libnftables does.
    @ivar kernel: sends the messages of L{pkdoors.firewall.netlink.messages}.
    @raise FirewallError: this host, or this process, cannot use libnftables.
    """

    def __init__(self, connect: Callable[[], Any] = connect) -> None:
        checkPrivilege()
        before = _sockets()
        self._context = connect()
        made = set(filter(_isNetlink, _sockets() - before))
        if len(made) != 1:
            raise FirewallError("libnftables has no netlink socket that pkdoors can share")
        (descriptor,) = made
        if descriptor > MOST_DESCRIPTOR:
            raise FirewallError(
                f"this process has {descriptor} files and sockets open, and libnftables can wait "
                f"only for the first {MOST_DESCRIPTOR}: start pkdoors earlier, before so many are "
                "open"
            )
        # A child process must not keep the table's owner alive.
        os.set_inheritable(descriptor, False)
        shared = socket.socket(fileno=os.dup(descriptor))
        # Otherwise the kernel repeats each message that it refuses: too much for a small buffer.
        shared.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self.kernel = Kernel(shared, openNetlink())
        # libnftables asks for the number of an interface with another socket, and ends the process
        # if it gets none.
        self._spare = Spare()

    borrowKernel = staticmethod(borrowKernel)

    def canOwn(self) -> bool:
        """
        Return whether both kernel and nft support tables that have an owner and outlive it. nft 1.0
        lists such a table in a form that it cannot read, so a saved ruleset would not load.
        """
        self._context.set_dry_run(True)
        try:
            return not self._command(_PROBE)[0]
        finally:
            self._context.set_dry_run(False)

    def take(self, table: str, flags: int = 0) -> None:
        """
        Create a table, or take over one that exists.

        @param flags: L{OWNED}, if we must be its owner.
        @raise FirewallError: the kernel refused; L{NotPermitted} if another process owns it.
        """
        try:
            self.kernel.transact(createTable(table, flags))
        except NotPermitted as error:
            raise notOwnerError(table) from error

    def judge(self, commands: str) -> None:
        """
        Have the kernel check nft commands without executing them.

        @raise FirewallError: the kernel would refuse them.
        """
        self._context.set_dry_run(True)
        try:
            self.run(commands)
        finally:
            self._context.set_dry_run(False)

    def run(self, commands: str) -> None:
        """
        Execute nft commands in one transaction.

        @raise FirewallError: the kernel refused, and did nothing.
        """
        status, _, errors = self._command(commands)
        if status:
            raise _refused(errors)

    def listAsJson(self, what: str) -> str:
        """Return the output of C{nft -j list}; empty if the thing does not exist."""
        self._context.set_json_output(True)
        try:
            status, output, _ = self._command(f"list {what}")
        finally:
            self._context.set_json_output(False)
        return "" if status else str(output)

    def close(self) -> None:
        """Let go: a table that this context owns stays, without an owner."""
        self.kernel.close()
        self._spare.close()
        self._context = None

    def _command(self, commands: str) -> Any:
        with self.kernel.lock, self._spare.lend():
            return self._context.cmd(commands)


def notOwnerError(table: str) -> NotPermitted:
    """Return the error for a table that another process owns."""
    return NotPermitted(
        f"another process owns the table inet {table}: end it first (`nft list table inet {table}` "
        "names it)"
    )


def _sockets() -> set[int]:
    found = set()
    for name in os.listdir(_DESCRIPTORS):
        with suppress(OSError):  # the folder's own is gone by now
            if os.readlink(f"{_DESCRIPTORS}/{name}").startswith("socket:"):
                found.add(int(name))
    return found


def _isNetlink(descriptor: int) -> bool:
    """Return whether a descriptor is a netlink socket; another thread may have opened others."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as found:
            return found.family == socket.AF_NETLINK
    except OSError:
        return False


def _refused(errors: str) -> FirewallError:
    """Return an error with the first line of libnftables' message, and a remedy if we know one."""
    first = errors.strip().partition("\n")[0].removeprefix("netlink: ").removeprefix("Error: ")
    if "Operation not permitted" in first:
        return NotPermitted(NO_PRIVILEGE)
    if "No such file or directory" in first:
        return errorFor(errno.ENOENT)
    if "cache initialization failed" in first:
        return FirewallError(NO_NFTABLES.format(reason=first))
    if "not supported" in first:
        return FirewallError(f"this kernel lacks a part of nftables that the guard needs ({first})")
    return FirewallError(f"nftables refused: {hidePorts(first) or 'no reason given'}")
