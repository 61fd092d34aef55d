"""Tests of the usual packet in L{pkdoors.knocks.packet}."""

from typing import Any

from twisted.python.monkey import MonkeyPatcher
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks import packet
from pkdoors.knocks.packet import IPV4, UDP, readPacket
from tests.knocks.test_packet import MAKERS, pseudoHeader, sumOf, udp
from tests.lab.garbage import changed, spoiled


class UsualTests(SynchronousTestCase):
    """The usual packet, which is read at once, is read the same as part by part."""

    def readSlowly(self, data: bytes) -> Any:
        """Read a packet part by part."""
        with MonkeyPatcher((packet, "_readUsual", lambda data: None)):
            return readPacket(IPV4, data)

    def test_same(self) -> None:
        """Whatever the payload is, and however the packet is changed, cut off or prolonged."""
        for payload in (b"", b"knock\n", b"knock 3600\n", b"\xff\xff", b"x" * 601):
            good = MAKERS[IPV4](udp(IPV4, payload), UDP)
            self.assertIsNotNone(packet._readUsual(good))
            for data in (good, good + b"x", *spoiled(good, 100), *changed(good)):
                self.assertEqual(self.readSlowly(data), readPacket(IPV4, data))

    def test_unusual(self) -> None:
        """No checksum, or one that a device completes later, is not usual, but heard."""
        for checksum in (0, sumOf(pseudoHeader(IPV4, 14))):
            data = MAKERS[IPV4](udp(IPV4, b"knock\n", checksum), UDP)
            self.assertIsNone(packet._readUsual(data))
            self.assertIsNotNone(readPacket(IPV4, data))
