"""
Asks the kernel which interfaces refuse packets whose source is reached by another one: those with
C{rp_filter}, see C{ip-sysctl} of the kernel's manual. The service cannot ask C{/proc/sys}, because
its sandbox hides that.

Formats and numbers: C{linux/netconf.h} and C{linux/rtnetlink.h}; in host byte order.
"""

import errno
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from pkdoors.firewall.netlink.messages import (
    DONE,
    DUMP,
    ERROR,
    HEADER,
    MAX_ANSWER,
    REQUEST,
    parseAttributes,
    readErrno,
    splitMessages,
)

STRICT = 1
"""Of C{rp_filter}; 2 is loose, 0 is off."""

_NEWNETCONF, _GETNETCONF = 80, 82  # RTM_...
_FAMILY = struct.Struct("=Bxxx")  # struct netconfmsg, padded
_INDEX, _RP_FILTER = 1, 3  # NETCONFA_...
_ALL, _NEW = -1, -2  # NETCONFA_IFINDEX_ALL, NETCONFA_IFINDEX_DEFAULT
_VALUE = struct.Struct("=i")
_TIMEOUT = 1.0


class Interfaces(NamedTuple):
    """
    Interfaces by name.

    @ivar strict: those that accept a packet only if its answer would leave by the same one.
    @ivar loose: all others.
    @ivar areNewStrict: whether one that appears later is strict.
    """

    strict: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    areNewStrict: bool = False


def readInterfaces(nameOf: Callable[[int], str] = socket.if_indextoname) -> Interfaces:
    """
    Return the interfaces of this host.

    @param nameOf: returns the name of the interface with a number, or raises C{OSError}.
    @raise OSError: the kernel cannot be asked.
    """
    return sortInterfaces(_ask(), nameOf)


def sortInterfaces(filters: dict[int, int], nameOf: Callable[[int], str]) -> Interfaces:
    """
    Return the strict and the other ones of some interfaces. The kernel uses the higher value of the
    interface's own setting and that for all.

    @param filters: each interface's C{rp_filter} by its number; -1 is for all, -2 for new ones.
    @raise OSError: a name cannot be read.
    """
    every = filters.get(_ALL, 0)
    strict, loose = list[str](), list[str]()
    for index, own in filters.items():
        if index > 0:
            try:
                (strict if max(own, every) == STRICT else loose).append(nameOf(index))
            except OSError as error:
                if error.errno not in (errno.ENXIO, errno.ENODEV):  # it has just gone
                    raise
    areNewStrict = max(filters.get(_NEW, 0), every) == STRICT
    return Interfaces(tuple(sorted(strict)), tuple(sorted(loose)), areNewStrict)


def _ask() -> dict[int, int]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(_TIMEOUT)
        kernel.bind((0, 0))
        size = HEADER.size + _FAMILY.size
        question = HEADER.pack(size, _GETNETCONF, REQUEST | DUMP, 1, 0)
        kernel.send(question + _FAMILY.pack(socket.AF_INET))
        found: dict[int, int] = {}
        while True:
            for kind, _, body in splitMessages(kernel.recv(MAX_ANSWER)):
                if kind == DONE:
                    return found
                if kind == ERROR:
                    raise OSError(readErrno(body), "RTM_GETNETCONF")
                values = parseAttributes(body[_FAMILY.size :])
                if kind == _NEWNETCONF and {_INDEX, _RP_FILTER} <= values.keys():
                    index, value = (_VALUE.unpack(values[each])[0] for each in (_INDEX, _RP_FILTER))
                    found[index] = value
