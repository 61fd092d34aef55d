"""Tests of L{pkdoors.knocks.packet}."""

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.packet import IPV4, IPV6, TCP, UDP, Arrival, readPacket
from tests.lab.garbage import spoiled
from tests.lab.properties import PROPERTY

SOURCES = {IPV4: "192.0.2.7", IPV6: "2001:db8::7"}
HERE = {IPV4: "192.0.2.1", IPV6: "2001:db8::1"}
FAMILIES = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}


def sumOf(data: bytes) -> int:
    """Return the sum in one's complement, word by word, as RFC 1071 has it."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packed(kind: int) -> bytes:
    """Return the destination as it is in a packet."""
    return socket.inet_pton(FAMILIES[kind], HERE[kind])


def pseudoHeader(kind: int, length: int, protocol: int = UDP) -> bytes:
    """Return what the checksum covers beside the datagram."""
    ends = [socket.inet_pton(FAMILIES[kind], each[kind]) for each in (SOURCES, HERE)]
    return b"".join(ends) + struct.pack("!II", length, protocol)


def udp(kind: int, payload: bytes, checksum: int | None = None) -> bytes:
    """Return a UDP datagram; without a checksum, with the right one."""
    plain = struct.pack("!HHHH", 40000, 17001, 8 + len(payload), 0) + payload
    whole = pseudoHeader(kind, len(plain)) + plain + bytes(len(plain) % 2)
    right = ~sumOf(whole) & 0xFFFF or 0xFFFF
    return plain[:6] + struct.pack("!H", right if checksum is None else checksum) + payload


def tcp(
    kind: int,
    flags: int = 2,
    checksum: int | None = None,
    options: bytes = b"",
    data: bytes = b"",
    words: int | None = None,
) -> bytes:
    """Return a TCP segment; without a checksum, with the right one."""
    length = 5 + len(options) // 4 if words is None else words
    head = struct.pack("!HHIIBBH", 40000, 7000, 123456, 0, length << 4, flags, 1000)
    rest = bytes(2) + options + data
    size = len(head) + 2 + len(rest)
    whole = pseudoHeader(kind, size, TCP) + head + bytes(2) + rest
    right = ~sumOf(whole + bytes(len(whole) % 2)) & 0xFFFF
    return head + struct.pack("!H", right if checksum is None else checksum) + rest


def ipv4(body: bytes, protocol: int = UDP, fragment: int = 0, options: bytes = b"") -> bytes:
    """Return an IPv4 packet."""
    length = 20 + len(options) + len(body)
    ends = [socket.inet_aton(each[IPV4]) for each in (SOURCES, HERE)]
    first = 0x45 + len(options) // 4
    head = struct.pack("!BBHHHBBH", first, 0, length, 1, fragment, 64, protocol, 0)
    return head + b"".join(ends) + options + body


def ipv6(body: bytes, protocol: int = UDP) -> bytes:
    """Return an IPv6 packet; the body may begin with extension headers."""
    ends = [socket.inet_pton(socket.AF_INET6, each[IPV6]) for each in (SOURCES, HERE)]
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + b"".join(ends) + body


def packets(body: bytes | None = None) -> list[tuple[int, bytes]]:
    """Return a good packet of each kind."""
    return [(kind, make(body or udp(kind, b"knock\n"))) for kind, make in MAKERS.items()]


MAKERS = {IPV4: ipv4, IPV6: ipv6}


class UdpTests(SynchronousTestCase):
    """Knocks over UDP."""

    def payload(self, kind: int, packet: bytes) -> bytes | None:
        """Return the datagram that a packet brought."""
        found = readPacket(kind, packet)
        return None if found is None else found.payload

    def test_knock(self) -> None:
        """A knock has its source, port and payload."""
        for kind, packet in packets():
            found = readPacket(kind, packet)
            expected = (SOURCES[kind], packed(kind), 17001, UDP, b"knock\n", (40000, 0))
            self.assertEqual(expected, found)

    def test_padding(self) -> None:
        """What an Ethernet frame is filled up with does not belong to the packet."""
        for kind, packet in packets():
            self.assertEqual(b"knock\n", self.payload(kind, packet + bytes(18)))

    def test_options(self) -> None:
        """Options of IPv4, and extension headers of IPv6, come before the datagram."""
        self.assertEqual(b"x", self.payload(IPV4, ipv4(udp(IPV4, b"x"), options=bytes(8))))
        for kind in (0, 43, 60):
            long = bytes([60, 1]) + bytes(14)
            short = bytes([UDP, 0]) + bytes(6)
            packet = ipv6(long + short + udp(IPV6, b"x"), kind)
            self.assertEqual(b"x", self.payload(IPV6, packet))
        authenticated = bytes([UDP, 4]) + bytes(22)
        self.assertEqual(b"x", self.payload(IPV6, ipv6(authenticated + udp(IPV6, b"x"), 51)))

    def test_manyExtensions(self) -> None:
        """A chain of extension headers without an end is not followed."""
        chain = (bytes([60, 0]) + bytes(6)) * 200
        self.assertIsNone(readPacket(IPV6, ipv6(chain + udp(IPV6, b"x"), 60)))

    def test_fragments(self) -> None:
        """A fragment is no knock; a packet that is whole in one fragment is."""
        for fragment in (0x2000, 1, 0x2001):
            self.assertIsNone(readPacket(IPV4, ipv4(udp(IPV4, b"x"), fragment=fragment)))
        self.assertEqual(b"x", self.payload(IPV4, ipv4(udp(IPV4, b"x"), fragment=0x4000)))
        for offset, expected in ((0, b"x"), (1, None), (8, None)):
            header = struct.pack("!BBHI", UDP, 0, offset, 7)
            packet = ipv6(header + udp(IPV6, b"x"), 44)
            self.assertEqual(expected, self.payload(IPV6, packet))

    def test_checksum(self) -> None:
        """A wrong checksum is refused; that of the pseudo-header alone is completed later."""
        for kind, packet in packets():
            self.assertIsNone(readPacket(kind, packet[:-1] + b"\r"))
            partial = sumOf(pseudoHeader(kind, 14))
            packet = MAKERS[kind](udp(kind, b"knock\n", partial))
            self.assertEqual(b"knock\n", self.payload(kind, packet))

    def test_noChecksum(self) -> None:
        """Over IPv4 a sender may leave it out, over IPv6 it must not."""
        for kind, expected in ((IPV4, b"x"), (IPV6, None)):
            packet = MAKERS[kind](udp(kind, b"x", 0))
            self.assertEqual(expected, self.payload(kind, packet))

    @given(st.binary(max_size=40))
    @PROPERTY
    def test_anyPayload(self, payload: bytes) -> None:
        """Any payload comes through with its checksum."""
        for kind, make in MAKERS.items():
            self.assertEqual(payload, self.payload(kind, make(udp(kind, payload))))


class TcpTests(SynchronousTestCase):
    """Knocks over TCP."""

    def read(self, kind: int, segment: bytes) -> Arrival | None:
        """Return what a segment brings, in a packet."""
        return readPacket(kind, MAKERS[kind](segment, TCP))

    def test_syn(self) -> None:
        """A SYN that is sent again has the same key, with options or without."""
        for kind in MAKERS:
            expected = (SOURCES[kind], packed(kind), 7000, TCP, b"", (40000, 123456))
            for options in (b"", b"\x02\x04\x05\xb4", bytes(40)):
                segment = tcp(kind, options=options)
                self.assertEqual(expected, self.read(kind, segment))
                for length in range(len(segment)):
                    self.assertIsNone(self.read(kind, segment[:length]))

    def test_flags(self) -> None:
        """Only a bare SYN is a knock, also with the flags of ECN."""
        for kind in MAKERS:
            heard = {flags for flags in range(256) if self.read(kind, tcp(kind, flags))}
            self.assertEqual({0x02, 0x42, 0x82, 0xC2}, heard)

    def test_data(self) -> None:
        """A SYN with data is not a knock, and neither is one whose header has a wrong length."""
        for kind in MAKERS:
            self.assertIsNone(self.read(kind, tcp(kind, data=b"data")))
            for words in (0, 4, 6, 15):
                self.assertIsNone(self.read(kind, tcp(kind, words=words)))

    def test_checksum(self) -> None:
        """A wrong checksum is refused, also none; the pseudo-header's is completed later."""
        for kind in MAKERS:
            partial = sumOf(pseudoHeader(kind, 20, TCP))
            self.assertIsNotNone(self.read(kind, tcp(kind, checksum=partial)))
            for wrong in (0, 1, partial ^ 1):
                self.assertIsNone(self.read(kind, tcp(kind, checksum=wrong)))


class GarbageTests(SynchronousTestCase):
    """Whatever the bytes."""

    def test_otherProtocols(self) -> None:
        """What is neither TCP nor UDP, IPv4 nor IPv6, is nothing."""
        for kind, make in MAKERS.items():
            self.assertIsNone(readPacket(kind, make(bytes(40), 1)))
        (_, four), (_, six) = packets()
        for kind, packet in ((IPV6, four), (IPV4, six), (0x0806, four), (0, b"")):
            self.assertIsNone(readPacket(kind, packet))

    def test_cut(self) -> None:
        """Of a packet that is cut off anywhere, nothing is heard."""
        for kind, packet in packets():
            for length in range(len(packet)):
                self.assertIsNone(readPacket(kind, packet[:length]))

    def test_spoiled(self) -> None:
        """Nothing is raised."""
        for kind, packet in packets():
            for data in spoiled(packet):
                readPacket(kind, data)

    @given(st.binary(max_size=120))
    @PROPERTY
    def test_random(self, data: bytes) -> None:
        """Nothing is raised."""
        for kind in MAKERS:
            readPacket(kind, data)
            readPacket(kind, bytes([0x45 if kind == IPV4 else 0x60]) + data)
