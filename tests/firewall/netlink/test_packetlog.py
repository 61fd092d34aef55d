"""Tests of L{pkdoors.firewall.netlink.packetlog}; the kernel answers in the real tests."""

import struct
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink import packetlog
from pkdoors.firewall.netlink.messages import attribute, buildMessage
from pkdoors.firewall.netlink.packetlog import (
    LoggedPacket,
    PacketReader,
    bindGroup,
    iterPackets,
    setUpGroup,
)
from tests.lab.garbage import changed, spoiled

PACKET = b"E\x00" + bytes(39)
HEADER = attribute(1, struct.pack("!HBB", 0x0800, 0, 0))
STAMP = attribute(3, struct.pack("!QQ", 1_795_000_000, 123_456))
INTERFACE = attribute(4, struct.pack("!I", 3))
SEQUENCE = attribute(12, struct.pack("!I", 7))


def logged(*attributes: bytes) -> bytes:
    """Return what the kernel sends about one packet."""
    return buildMessage(4, 0, 0, b"".join(attributes), 2)


WHOLE = logged(HEADER, attribute(4, bytes(4)), attribute(8, bytes(12)), STAMP, SEQUENCE) + b""
GOOD = logged(HEADER, attribute(16, bytes(14)), STAMP, INTERFACE, SEQUENCE, attribute(9, PACKET))


class PacketLogTests(SynchronousTestCase):
    """Tests of what is read."""

    def test_packet(self) -> None:
        """A packet has its protocol, number, time and interface."""
        expected = (0x0800, PACKET, 7, 1_795_000_000_123_456_000, 3)
        self.assertEqual([expected], list(iterPackets(GOOD)))

    def test_several(self) -> None:
        """One read may hold several messages; those of other kinds are skipped."""
        other = buildMessage(4, 1, 0, attribute(1, b"x"), 2)
        found = [each.packet for each in iterPackets(GOOD + other + GOOD)]
        self.assertEqual([PACKET, PACKET], found)

    def test_lacks(self) -> None:
        """What the kernel leaves out is 0 or empty."""
        self.assertEqual([(0, b"", 0, 0, 0)], list(iterPackets(logged(attribute(8, bytes(12))))))
        self.assertEqual([b""], [each.packet for each in iterPackets(WHOLE)])

    def test_forged(self) -> None:
        """What a packet carries is not taken for attributes of the message."""
        inner = HEADER + attribute(12, struct.pack("!I", 99))
        (found,) = iterPackets(logged(HEADER, SEQUENCE, attribute(9, inner)))
        self.assertEqual((7, inner), (found.sequence, found.packet))

    def test_spoiled(self) -> None:
        """Nothing is raised, whatever the bytes."""
        for data in spoiled(GOOD * 2):
            list(iterPackets(data))


class ReaderTests(SynchronousTestCase):
    """Tests of L{PacketReader}: it reads the same as L{iterPackets}, whatever it has learnt."""

    def setUp(self) -> None:
        """Have a reader that has learnt what the kernel sends."""
        self.hardware = attribute(8, struct.pack("!HH8s", 6, 0, bytes(8))), attribute(17, b"\0\x0e")
        self.usual = logged(
            HEADER, INTERFACE, *self.hardware, STAMP, SEQUENCE, attribute(9, PACKET)
        )
        self.reader = PacketReader()
        self.taken: list[bytes] = []
        self.patch(packetlog, "iterPackets", self.iterPackets)
        list(self.reader.read(self.usual))

    def iterPackets(self, data: bytes) -> Iterator[LoggedPacket]:
        """Note that a message is taken apart."""
        self.taken.append(data)
        return iterPackets(data)

    def test_learns(self) -> None:
        """The second message of an arrangement is not taken apart, whatever its values are."""
        self.assertEqual([self.usual], self.taken)
        stamp, sequence = struct.pack("!QQ", 2, 1), struct.pack("!I", 9)
        for payload in (PACKET, b"", b"x", PACKET * 3):
            values = (attribute(3, stamp), attribute(12, sequence), attribute(9, payload))
            message = logged(HEADER, INTERFACE, *self.hardware, *values)
            expected = [(0x0800, payload, 9, 2_000_001_000, 3)]
            self.assertEqual(expected, list(self.reader.read(message)))
        self.assertEqual([self.usual], self.taken)

    def test_others(self) -> None:
        """Each interface has an arrangement of its own; unusual messages are taken apart."""
        other = attribute(4, struct.pack("!I", 4))
        plain = logged(HEADER, other, STAMP, SEQUENCE, attribute(9, PACKET))
        odd = (
            logged(HEADER, INTERFACE, SEQUENCE, attribute(9, PACKET)),
            logged(HEADER, INTERFACE, STAMP, SEQUENCE, attribute(9, PACKET), attribute(8, b"x")),
            logged(HEADER, INTERFACE, SEQUENCE, STAMP, attribute(9, PACKET)),
            self.usual + self.usual,
            b"",
        )
        for message in (plain, self.usual, plain, self.usual, *odd, *odd):
            self.assertEqual(list(iterPackets(message)), list(self.reader.read(message)))
        self.assertEqual([self.usual, plain, *odd, *odd], self.taken)

    def test_bounded(self) -> None:
        """However many interfaces there are, few arrangements are kept."""
        for number in range(300):
            link = attribute(4, struct.pack("!I", number))
            list(self.reader.read(logged(HEADER, link, STAMP, SEQUENCE, attribute(9, PACKET))))
        self.assertLess(len(self.reader._known), 100)

    def test_forged(self) -> None:
        """What a packet carries is not taken for attributes, in a known arrangement either."""
        inner = HEADER + INTERFACE + attribute(12, struct.pack("!I", 99)) + attribute(9, b"x")
        values = (STAMP, SEQUENCE, attribute(9, inner))
        (found,) = self.reader.read(logged(HEADER, INTERFACE, *self.hardware, *values))
        self.assertEqual((7, inner), (found.sequence, found.packet))

    def test_spoiled(self) -> None:
        """Spoiled messages are read as without a memory, and spoil nothing for others."""
        for data in (*spoiled(self.usual), *changed(self.usual)):
            self.assertEqual(list(iterPackets(data)), list(self.reader.read(data)))
            self.assertEqual(list(iterPackets(self.usual)), list(self.reader.read(self.usual)))


class ConfigurationTests(SynchronousTestCase):
    """Tests of what is asked for."""

    def test_bind(self) -> None:
        """The group is the resource of the message."""
        message = bindGroup(4097)
        self.assertEqual(4 << 8 | 1, struct.unpack_from("=H", message, 4)[0])
        self.assertEqual((0, 0, 4097), struct.unpack_from("!BBH", message, 16))
        self.assertEqual(attribute(1, b"\1"), message[20:])

    def test_setUp(self) -> None:
        """Whole packets, each at once, with numbers."""
        expected = attribute(2, struct.pack("!IBx", 1500, 2)) + attribute(4, bytes(4))
        expected += attribute(5, struct.pack("!I", 1)) + attribute(6, struct.pack("!H", 1))
        self.assertEqual(expected, setUpGroup(4097)[20:])
