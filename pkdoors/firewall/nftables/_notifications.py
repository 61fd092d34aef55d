"""
Reads the kernel's notifications of changes to nftables. Pure; formats as in
L{pkdoors.firewall.netlink.messages}.

Each transaction comes message by message, and ends with a message of its own that names the
process. The kernel does not report an element whose time is over: nothing has to be done about it.
"""

import struct

from pkdoors.firewall.netlink.messages import INET, NFTABLES, parseAttributes
from pkdoors.firewall.ways.forwards import Forwards, NftName
from pkdoors.host.bpf import assemble

NFTABLES_GROUP = 7
"""NFNLGRP_NFTABLES, the multicast group of these messages."""

_NEWGEN = 15  # NFT_MSG_NEWGEN, the end of a transaction
_NEW_CHAIN = 3  # NFT_MSG_NEWCHAIN
_ELEMENTS = (12, 14)  # NFT_MSG_NEWSETELEM, ..._DELSETELEM
_NAME = 1  # NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_TABLE ...: the table, in all messages
_SET_NAME = 2  # NFTA_SET_ELEM_LIST_SET
_CHAIN_TYPE = 7  # NFTA_CHAIN_TYPE
_PROCESS_NAME = 3  # NFTA_GEN_PROC_NAME
_HEADER = struct.Struct("=IHHIIBBH")  # struct nlmsghdr and struct nfgenmsg
_PORT, _PORT_AT = struct.Struct("=I"), 12  # nlmsg_pid, in struct nlmsghdr


def ignoreOwn(port: int) -> bytes:
    """
    Return a program of L{pkdoors.host.bpf} that drops our own changes. They could overflow a socket
    that a container may not enlarge, and after an overflow nobody knows what has changed.

    @param port: the netlink port of our own changes.
    """
    ours = int.from_bytes(_PORT.pack(port))  # a filter reads in the network's order
    return assemble(
        f"""
        ld   [{_PORT_AT}]
        jeq  #0x{ours:x}, drop, take
drop:   ret  #0
take:   ret  #0xffffffff
"""
    )


class Changes:
    """
    Finds the changes that others make to one table of the C{inet} family, and to the forwarded
    ports.

    @param port: the netlink port of our own changes.
    """

    def __init__(self, table: str, port: int) -> None:
        self._table = table.encode() + b"\0"
        self._port = port
        self._isTouched = False
        self._isNewForwarding = False
        self._forwarding: Forwards | None = None

    def attend(self, forwards: Forwards | None) -> None:
        """
        Set which changes count as changes of the forwarded ports: those of what leads to these
        forwards, and new chains for DNAT; if L{None}, any change.
        """
        self._forwarding = forwards

    def newForwarding(self) -> bool:
        """Return whether the forwarded ports may have changed since the last call."""
        isNew, self._isNewForwarding = self._isNewForwarding, False
        return isNew

    def feed(self, datagram: bytes) -> list[str]:
        """
        Read a datagram of the kernel's. Nothing is raised, whatever it contains.

        @return: the names of the processes that changed the table, one for each transaction.
        """
        found = []
        while len(datagram) >= _HEADER.size:
            length, kind, _, _, port, family, _, _ = _HEADER.unpack_from(datagram)
            length = max(length, _HEADER.size)
            if kind >> 8 == NFTABLES and port != self._port:
                attributes = parseAttributes(datagram[_HEADER.size : length])
                if kind & 0xFF == _NEWGEN:
                    found += self._endTransaction(attributes)
                elif family == INET and attributes.get(_NAME) == self._table:
                    self._isTouched = True
                else:
                    self._isNewForwarding |= self._isForwarding(kind & 0xFF, family, attributes)
            datagram = datagram[length + 3 & ~3 :]
        return found

    def _isForwarding(self, kind: int, family: int, attributes: dict[int, bytes]) -> bool:
        """Return whether a change is of something that leads to forwards."""
        forwarding = self._forwarding
        isNew = kind == _NEW_CHAIN and attributes.get(_CHAIN_TYPE) == b"nat\0"
        if forwarding is None or isNew:
            return True
        name = _text(attributes.get(_NAME))
        if kind in _ELEMENTS:
            return NftName(family, name, _text(attributes.get(_SET_NAME))) in forwarding.sets
        return NftName(family, name) in forwarding.tables

    def _endTransaction(self, attributes: dict[int, bytes]) -> list[str]:
        name = attributes.get(_PROCESS_NAME, b"?").rstrip(b"\0").decode(errors="replace")
        isTouched, self._isTouched = self._isTouched, False
        return [name] if isTouched else []


def _text(content: bytes | None) -> str:
    return (content or b"").rstrip(b"\0").decode(errors="replace")
