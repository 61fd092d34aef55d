"""
What the kernel tells of changes to its nftables. Pure; formats as in L{pkdoors.nfnetlink}.

Each transaction is told message by message, and ends with one of its own that names the process.
An element whose time is over is not told: nothing has to be done about it.
"""

import struct

from pkdoors.nfnetlink import INET, NFTABLES, attributesOf

NFTABLES_GROUP = 7
"""NFNLGRP_NFTABLES, the multicast group of these messages."""

_NEWGEN = 15  # NFT_MSG_NEWGEN, the end of a transaction
_NAME = 1  # NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_TABLE ...: the table, in all messages
_PROCESS_ID, _PROCESS_NAME = 2, 3  # NFTA_GEN_PROC_PID (network's order), NFTA_GEN_PROC_NAME
_HEADER = struct.Struct("=IHHIIBBH")  # struct nlmsghdr and struct nfgenmsg


class Changes:
    """
    Finds the changes that others make to one table of the C{inet} family.

    Our own do not count. The kernel tells a process by its number in the outermost namespace, which
    in a container is not the one that we know. So the first change of the table that a process of
    our name makes is taken for ours: that is the guard's, when we start.

    @param name: our own process' name.
    """

    def __init__(self, table: str, name: str) -> None:
        self._table = table.encode() + b"\0"
        self._name = name
        self._process = 0  # ours, once it is known
        self._touched = False

    def feed(self, datagram: bytes) -> list[str]:
        """
        Read what the kernel sent.

        @return: the names of the processes, other than ours, that changed the table, one for each
            transaction. Nothing is raised, whatever comes.
        """
        found = []
        while len(datagram) >= _HEADER.size:
            length, kind, *_, family, _version, _resource = _HEADER.unpack_from(datagram)
            length = max(length, _HEADER.size)
            if kind >> 8 == NFTABLES:
                attributes = attributesOf(datagram[_HEADER.size : length])
                if kind & 0xFF == _NEWGEN:
                    found += self._ended(attributes)
                elif family == INET and attributes.get(_NAME) == self._table:
                    self._touched = True
            datagram = datagram[length + 3 & ~3 :]
        return found

    def _ended(self, attributes: dict[int, bytes]) -> list[str]:
        process = int.from_bytes(attributes.get(_PROCESS_ID, b""))
        name = attributes.get(_PROCESS_NAME, b"?").rstrip(b"\0").decode(errors="replace")
        touched, self._touched = self._touched, False
        if touched and not self._process and name == self._name:
            self._process = process
        foreign = touched and process != self._process
        return [name] if foreign else []
