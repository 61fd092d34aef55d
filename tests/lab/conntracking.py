"""What the kernel answers when it is asked for tracked connections; for tests."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from pkdoors.firewall.netlink.flows import Flow

_KINDS = {"tcp": 6, "udp": 17}


class Entry(NamedTuple):
    """
    A tracked connection.

    @ivar begun: as the client asks for it.
    @ivar behind: as it is behind DNAT.
    @ivar isAnswered: whether an answer was seen.
    @ivar state: of TCP, C{TCP_CONNTRACK_...}; 3 is established.
    """

    begun: Flow
    behind: Flow
    isAnswered: bool = True
    state: int = 3


def answerOf(entries: Iterable[Entry]) -> list[tuple[int, bytes]]:
    """The messages: kind, and attributes."""
    return [(1 << 8, _entry(each)) for each in entries]


def _entry(each: Entry) -> bytes:
    begun, behind = each.begun, each.behind
    there = Flow(behind.protocol, behind.address, begun.source, behind.port, begun.sourcePort)
    status = 0x1A if each.isAnswered else 0x18  # confirmed, destination changed
    body = _attribute(1, _tuple(begun)) + _attribute(2, _tuple(there))
    body += _attribute(3, struct.pack("!I", status)) + _attribute(7, struct.pack("!I", 100))
    if begun.protocol == "tcp":
        body += _attribute(4, _attribute(1, _attribute(1, bytes([each.state]))))
    return body


def _tuple(flow: Flow) -> bytes:
    kinds = (1, 2) if flow.source.version == 4 else (3, 4)
    ends = zip(kinds, (flow.source.packed, flow.address.packed), strict=True)
    addresses = b"".join(_attribute(*end) for end in ends)
    ports = zip((2, 3), (flow.sourcePort, flow.port), strict=True)
    protocol = _attribute(1, bytes([_KINDS[flow.protocol]])) + b"".join(
        _attribute(kind, struct.pack("!H", port)) for kind, port in ports
    )
    return _attribute(1, addresses) + _attribute(2, protocol)


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)
