"""
Reads the existing connections from the kernel's sockets and its connection tracking. Pure.

Formats: C{proc(5)}, C{linux/netfilter/nfnetlink_conntrack.h}; numbers are in the network's order.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from pkdoors.firewall.netlink.messages import DUMP, buildMessage, parseAttributes
from pkdoors.host.procnet import LIVE, parseSockets
from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange

CONNTRACK = 1
"""NFNL_SUBSYS_CTNETLINK"""
_GET = 1  # IPCTNL_MSG_CT_GET
_SEEN_REPLY = 0x2  # IPS_SEEN_REPLY
_ESTABLISHED = 3  # TCP_CONNTRACK_ESTABLISHED
_PROTOCOLS = {6: "tcp", 17: "udp"}


class Flow(NamedTuple):
    """
    One connection to or through this host, as the guard sees it in the client's packets.

    @ivar protocol: C{tcp} or C{udp}.
    @ivar source: the client's address.
    @ivar address: the destination address, after any DNAT.
    @ivar sourcePort: the client's port.
    @ivar port: the destination port, after any DNAT.
    """

    protocol: str
    source: Address
    address: Address
    sourcePort: int
    port: int

    @property
    def key(self) -> bytes:
        """The key in a set of flows: four fields, each padded to 4 bytes."""
        ports = (port.to_bytes(2) + bytes(2) for port in (self.sourcePort, self.port))
        return self.source.packed + self.address.packed + b"".join(ports)


class Tracked(NamedTuple):
    """
    A connection, and the port that its client asked for.

    @ivar flow: the connection as the guard sees it.
    @ivar wanted: the port that the client asked for, before any DNAT.
    """

    flow: Flow
    wanted: int

    @property
    def ports(self) -> set[int]:
        """The ports of ours that it concerns."""
        return {self.wanted, self.flow.port}


def parseFlow(protocol: str, key: bytes) -> Flow:
    """Return the flow of a key, see L{Flow.key}."""
    size = (len(key) - 8) // 2
    source, address = ip_address(key[:size]), ip_address(key[size : 2 * size])
    sourcePort, port = (int.from_bytes(key[at : at + 2]) for at in (2 * size, 2 * size + 4))
    return Flow(protocol, source, address, sourcePort, port)


def readSocketFlows(listing: str, ports: Iterable[PortRange]) -> Iterator[Tracked]:
    """
    Yield the TCP connections to some of our ports.

    @param listing: the content of C{/proc/net/tcp} or C{tcp6}.
    """
    ports = list(ports)
    for socket in parseSockets(listing):
        if socket.state in LIVE and isOn(ports, "tcp", socket.port):
            peer, peerPort = socket.peer
            flow = Flow("tcp", peer, socket.address, peerPort, socket.port)
            yield Tracked(flow, socket.port)


def askConntrack() -> bytes:
    """Return the question for all tracked connections."""
    return buildMessage(CONNTRACK, _GET, DUMP, b"", 0)


def readTracked(answer: Iterable[tuple[int, bytes]]) -> Iterator[Tracked]:
    """
    Yield the TCP and UDP connections in an answer that the other end has answered; TCP connections
    only while they are established. Nothing is raised, whatever the answer.
    """
    for _, body in answer:
        entry = parseAttributes(body)
        if not int.from_bytes(entry.get(3, b"")) & _SEEN_REPLY:  # CTA_STATUS
            continue
        begun, answered = _tuple(entry.get(1)), _tuple(entry.get(2))  # CTA_TUPLE_ORIG, ..._REPLY
        if begun is None or answered is None:
            continue
        flow = Flow(
            begun.protocol, begun.source, answered.source, begun.sourcePort, answered.sourcePort
        )
        if flow.protocol == "udp" or _tcpState(entry) == _ESTABLISHED:
            yield Tracked(flow, begun.port)


def isOn(ports: Iterable[PortRange], protocol: str, port: int) -> bool:
    """Return whether a port is one of these."""
    return any(PortRange(protocol, port, port).overlaps(ranges) for ranges in ports)


def _tuple(content: bytes | None) -> Flow | None:
    """Return one direction of a tracked connection; L{None} if it is neither TCP nor UDP."""
    parts = parseAttributes(content or b"")
    addresses, protocol = parseAttributes(parts.get(1, b"")), parseAttributes(parts.get(2, b""))
    name = _PROTOCOLS.get(int.from_bytes(protocol.get(1, b"")))  # CTA_PROTO_NUM
    source = addresses.get(1) or addresses.get(3) or b""  # CTA_IP_V4_SRC, ..._V6_SRC
    target = addresses.get(2) or addresses.get(4) or b""
    ports = [protocol.get(kind, b"") for kind in (2, 3)]  # CTA_PROTO_SRC_PORT, ..._DST_PORT
    if name is None or len(source) not in (4, 16) or len(source) != len(target):
        return None
    if any(len(port) != 2 for port in ports):
        return None
    return Flow(name, ip_address(source), ip_address(target), *map(int.from_bytes, ports))


def _tcpState(entry: dict[int, bytes]) -> int:
    tcp = parseAttributes(
        parseAttributes(entry.get(4, b"")).get(1, b"")
    )  # CTA_PROTOINFO { ..._TCP }
    return int.from_bytes(tcp.get(1, b""))
