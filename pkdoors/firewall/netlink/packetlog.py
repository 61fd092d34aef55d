"""
The messages of the kernel's packet log, C{nfnetlink_log}: a rule with the statement C{log group N}
sends a copy of each packet to the socket that has the group N. Pure.

Formats and numbers: C{linux/netfilter/nfnetlink_log.h}; in the network's byte order, except for the
headers of messages and attributes.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pkdoors.firewall.netlink.messages import (
    ACK,
    FAMILY,
    HEADER,
    attribute,
    buildMessage,
)

COPIED = 1500
"""Bytes of a packet that are copied: its headers, and the longest sealed knock, which is signed
with an RSA key of 8192 bits."""

_LOG = 4  # NFNL_SUBSYS_ULOG
_PACKET, _CONFIG = 0, 1  # NFULNL_MSG_...
_BIND = 1  # NFULNL_CFG_CMD_BIND
_COPY_PACKET = 2  # NFULNL_COPY_PACKET
_NUMBERED = 1  # NFULNL_CFG_F_SEQ
_COMMAND, _MODE, _TIMEOUT, _THRESHOLD, _FLAGS = 1, 2, 4, 5, 6  # NFULA_CFG_...
_PACKET_HEADER, _TIMESTAMP, _INTERFACE, _PAYLOAD, _SEQUENCE = 1, 3, 4, 9, 12  # NFULA_...

_MESSAGE = _LOG << 8 | _PACKET
_ATTRIBUTE = struct.Struct("=HH")
_BODY = HEADER.size + FAMILY.size
_PROTOCOL = struct.Struct("!H")  # struct nfulnl_msg_packet_hdr, without the hook
_TIME = struct.Struct("!QQ")  # struct nfulnl_msg_packet_timestamp: seconds, microseconds
_NUMBER = struct.Struct("!I")
_LENGTH = struct.Struct("=I")  # of the message, in its header
_FORMS = {
    _PACKET_HEADER: struct.Struct("!H2x"),
    _INTERFACE: _NUMBER,
    _TIMESTAMP: _TIME,
    _SEQUENCE: _NUMBER,
}
_WANTED = tuple(_FORMS)  # in the kernel's order
_BEGIN_ENDS = _BODY + 16  # the protocol and the interface, which every message begins with
_MOST_KNOWN = 64


class LoggedPacket(NamedTuple):
    """
    A packet that the kernel logged.

    @ivar protocol: 0x0800 for IPv4, 0x86dd for IPv6; C{linux/if_ether.h}.
    @ivar packet: from the IP header on; at most L{COPIED} bytes.
    @ivar sequence: which of the packets of this group it is; gaps are packets that were lost.
    @ivar stamp: when the kernel received it, in nanoseconds since 1970; 0 if it did not note that.
    @ivar interface: the number of the interface by which it came; 0 if unknown.
    """

    protocol: int
    packet: bytes
    sequence: int
    stamp: int
    interface: int


def bindGroup(group: int) -> bytes:
    """
    Return the message that asks for a group. EPERM means that another program has it.
    """
    return _configure(group, attribute(_COMMAND, bytes([_BIND])))


def setUpGroup(group: int) -> bytes:
    """
    Return the message that has each packet of a group sent at once, numbered, and cut off after
    L{COPIED} bytes.
    """
    # A threshold of 1, because the kernel would wait for more packets otherwise, for a second.
    body = attribute(_MODE, struct.pack("!IBx", COPIED, _COPY_PACKET))
    body += attribute(_TIMEOUT, _NUMBER.pack(0)) + attribute(_THRESHOLD, _NUMBER.pack(1))
    return _configure(group, body + attribute(_FLAGS, struct.pack("!H", _NUMBERED)))


def _configure(group: int, body: bytes) -> bytes:
    return buildMessage(_LOG, _CONFIG, ACK, body, 0, group)


class PacketReader:
    """
    Reads the messages of a group.

    Messages about packets from one interface have the same attributes in the same places. So the
    reader learns each arrangement from the first message that has it. To check that another message
    has it, too, is faster than to take the message apart, which counts under a flood.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, _Arrangement] = {}

    def read(self, data: bytes) -> Iterator[LoggedPacket]:
        """Yield the packets in one read of the socket. Nothing is raised, whatever the bytes."""
        known = self._known.get(data[_BODY:_BEGIN_ENDS])
        packet = None if known is None else known.read(data)
        if packet is not None:
            yield packet
            return
        yield from iterPackets(data)
        learnt = _learn(data)
        if learnt is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[data[_BODY:_BEGIN_ENDS]] = learnt


class _Arrangement:
    """
    Where the attributes are in some messages.

    @param mask: has a 1 for each bit, before the payload, that belongs to the header of the message
        or of an attribute: these bits say what is where.
    @param begin: a message that has the arrangement, as far as its payload.
    @param values: reads L{_WANTED} from such a message.
    """

    def __init__(self, mask: bytes, begin: bytes, values: struct.Struct) -> None:
        self._mask = int.from_bytes(mask)
        self._expected = int.from_bytes(begin) & self._mask
        self._end = len(begin)
        self._values = values

    def read(self, data: bytes) -> LoggedPacket | None:
        """Return the packet in a message; L{None} if its arrangement is another one."""
        end = self._end
        if len(data) < end or int.from_bytes(data[:end]) & self._mask != self._expected:
            return None
        length, _ = _ATTRIBUTE.unpack_from(data, end - 4)
        last = end - 4 + length
        (whole,) = _LENGTH.unpack_from(data)
        if length < 4 or whole != len(data) or (last + 3 & ~3) != whole:
            return None
        protocol, interface, seconds, microseconds, sequence = self._values.unpack_from(data)
        stamp = seconds * 10**9 + microseconds * 1000
        return LoggedPacket(protocol, data[end:last], sequence, stamp, interface)


def _learn(data: bytes) -> _Arrangement | None:
    """
    Return the arrangement of a message; L{None} if it is not the only message, or unusual: the
    attributes that are wanted have other places, or are not there, or the payload is not the last.
    """
    if len(data) < _BEGIN_ENDS or HEADER.unpack_from(data)[:2] != (len(data), _MESSAGE):
        return None
    mask, fields = bytearray(_BODY), ["!", f"{_BODY}x"]
    found: list[int] = []
    mask[4:6] = b"\xff\xff"  # the type of the message
    at = _BODY
    while len(data) - at >= 4:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        size = length + 3 & ~3
        if kind == _PAYLOAD:
            mask += b"\0\0\xff\xff"
            if tuple(found) != _WANTED or length < 4 or at + size != len(data):
                return None
            return _Arrangement(bytes(mask), data[: at + 4], struct.Struct("".join(fields)))
        if length < 4:
            return None
        mask += b"\xff\xff\xff\xff" + bytes(size - 4)
        form = _FORMS.get(kind)
        if form is not None and length - 4 == form.size:
            found.append(kind)
            fields.append(f"4x{form.format[1:]}{size - 4 - form.size}x")
        else:
            fields.append(f"{size}x")
        at += size
    return None


def iterPackets(data: bytes) -> Iterator[LoggedPacket]:
    """
    Yield the packets in one read of a group's socket, by taking each message apart. Nothing is
    raised, whatever the bytes.
    """
    at = 0
    while len(data) - at > _BODY:
        length, kind, *_ = HEADER.unpack_from(data, at)
        end = min(at + max(length, _BODY), len(data))
        if kind == _MESSAGE:
            yield _readPacket(data, at + _BODY, end)
        at = end + 3 & ~3


def _readPacket(data: bytes, at: int, end: int) -> LoggedPacket:
    # By hand, not by parseAttributes: this is done for each knock of a flood.
    protocol = sequence = stamp = interface = 0
    packet = b""
    while end - at >= 4:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        last = min(at + max(length, 4), end)
        if kind == _PAYLOAD:
            packet = data[at + 4 : last]
        elif kind == _PACKET_HEADER and last - at >= 6:
            (protocol,) = _PROTOCOL.unpack_from(data, at + 4)
        elif kind == _SEQUENCE and last - at >= 8:
            (sequence,) = _NUMBER.unpack_from(data, at + 4)
        elif kind == _INTERFACE and last - at >= 8:
            (interface,) = _NUMBER.unpack_from(data, at + 4)
        elif kind == _TIMESTAMP and last - at >= 20:
            seconds, microseconds = _TIME.unpack_from(data, at + 4)
            stamp = seconds * 10**9 + microseconds * 1000
        at = last + 3 & ~3
    return LoggedPacket(protocol, packet, sequence, stamp, interface)
