"""
What the kernel tells of changes to its nftables. Pure; formats as in L{pkdoors.nfnetlink}.

Each transaction is told message by message, and ends with one of its own that names the process.
An element whose time is over is not told: nothing has to be done about it.
"""

import struct

from pkdoors.bpf import assemble
from pkdoors.nfnetlink import INET, NFTABLES, attributesOf

NFTABLES_GROUP = 7
"""NFNLGRP_NFTABLES, the multicast group of these messages."""

_NEWGEN = 15  # NFT_MSG_NEWGEN, the end of a transaction
_NAME = 1  # NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_TABLE ...: the table, in all messages
_PROCESS_NAME = 3  # NFTA_GEN_PROC_NAME
_HEADER = struct.Struct("=IHHIIBBH")  # struct nlmsghdr and struct nfgenmsg
_PORT, _PORT_AT = struct.Struct("=I"), 12  # nlmsg_pid, in struct nlmsghdr


def othersOnly(port: int) -> bytes:
    """
    Return the program of L{pkdoors.bpf} that lets through the changes of others. Ours would
    overflow a socket that a container may not enlarge, and an overflow tells nothing.

    @param port: the netlink port of the socket by which we change something.
    """
    ours = int.from_bytes(_PORT.pack(port))  # a filter reads the network's order
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
    Finds the changes that others make to one table of the C{inet} family.

    @param port: the netlink port of the socket by which we change something.
    """

    def __init__(self, table: str, port: int) -> None:
        self._table = table.encode() + b"\0"
        self._port = port
        self._touched = False

    def feed(self, datagram: bytes) -> list[str]:
        """
        Read what the kernel sent.

        @return: the names of the processes that changed the table, one for each transaction.
            Nothing is raised, whatever comes.
        """
        found = []
        while len(datagram) >= _HEADER.size:
            length, kind, _, _, port, family, _, _ = _HEADER.unpack_from(datagram)
            length = max(length, _HEADER.size)
            if kind >> 8 == NFTABLES and port != self._port:
                attributes = attributesOf(datagram[_HEADER.size : length])
                if kind & 0xFF == _NEWGEN:
                    found += self._ended(attributes)
                elif family == INET and attributes.get(_NAME) == self._table:
                    self._touched = True
            datagram = datagram[length + 3 & ~3 :]
        return found

    def _ended(self, attributes: dict[int, bytes]) -> list[str]:
        name = attributes.get(_PROCESS_NAME, b"?").rstrip(b"\0").decode(errors="replace")
        touched, self._touched = self._touched, False
        return [name] if touched else []
