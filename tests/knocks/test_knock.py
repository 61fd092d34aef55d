"""Tests of L{pkdoors.knocks.knock}."""

import random
import socket
from ipaddress import IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import (
    MAX_DATAGRAM,
    Knock,
    makePlainKnock,
    parsePlainKnock,
    readPlainKnock,
)
from pkdoors.model.addresses import normalizeSource
from pkdoors.model.knockports import TcpPort


class PlainKnockTests(SynchronousTestCase):
    """
    Tests of L{makePlainKnock} and L{parsePlainKnock}.
    """

    def test_write(self) -> None:
        """
        A knock is C{knock} and a newline, with the seconds between them if it asks for a time.
        """
        self.assertEqual(b"knock\n", makePlainKnock())
        self.assertEqual(b"knock 600\n", makePlainKnock(600))
        self.assertEqual(b"knock 2592000\n", makePlainKnock(2592000))

    def test_read(self) -> None:
        """A knock is read; the result is 0 if it asks for no time."""
        self.assertEqual(0, parsePlainKnock(b"knock\n"))
        self.assertEqual(1, parsePlainKnock(b"knock 1\n"))
        self.assertEqual(999999999, parsePlainKnock(b"knock 999999999\n"))
        self.assertEqual(0, parsePlainKnock(b"knock 0\n"))

    def test_ends(self) -> None:
        """Nothing, blanks, CR and LF can follow, in any order."""
        for end in (b"", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\n\n", b" \t\r\n ", b" " * 17):
            self.assertEqual(0, parsePlainKnock(b"knock" + end))
            self.assertEqual(600, parsePlainKnock(b"knock 600" + end))
            self.assertEqual(999999999, parsePlainKnock(b"knock 999999999" + end))

    def test_tcp(self) -> None:
        """A connection that begins is a knock, without a payload."""
        self.assertEqual(0, readPlainKnock(Knock("", TcpPort(7), b"")))
        self.assertIsNone(readPlainKnock(Knock("", 7, b"")))
        self.assertEqual(5, readPlainKnock(Knock("", 7, b"knock 5")))

    def test_other(self) -> None:
        """Any other payload is not a knock, however similar."""
        other = [
            b"",
            b"\n",
            b" knock\n",
            b"Knock\n",
            b"knock -1\n",
            b"knock 1.5\n",
            b"knock  5\n",
            b"knock5\n",
            b"knock 1234567890\n",
            b"knock 5\n\x00",
            b"\x00knock\n",
            b"knock 5s\n",
            b"knock +5\n",
            "knock ٣\n".encode(),
            b"knock" + b" " * 28,
            b"knock\n\0",
            b"knock\n5",
            b"knock\v",
            b"xknock\n",
            b"knock\nknock\n",
        ]
        self.assertEqual([], [each for each in other if parsePlainKnock(each) is not None])

    def test_garbage(self) -> None:
        """Random bytes are not a knock, and never raise an error."""
        random_ = random.Random(20261107)
        for _ in range(5000):
            self.assertIsNone(parsePlainKnock(random_.randbytes(random_.randrange(64))))

    def test_longest(self) -> None:
        """A datagram that is cut off at the reader's limit is not taken for a knock."""
        datagram = b"knock 5\n" + b"x" * 4000
        self.assertIsNone(parsePlainKnock(datagram[:MAX_DATAGRAM]))


class SourceAddressTests(SynchronousTestCase):
    """
    Tests of L{normalizeSource}.
    """

    def test_plain(self) -> None:
        """Addresses in the usual notation stay unchanged."""
        self.assertEqual("203.0.113.9", normalizeSource("203.0.113.9"))
        self.assertEqual("2001:db8::7", normalizeSource("2001:db8::7"))

    def test_mapped(self) -> None:
        """An IPv4-mapped address becomes IPv4."""
        self.assertEqual("203.0.113.9", normalizeSource("::ffff:203.0.113.9"))

    def test_scope(self) -> None:
        """The scope is dropped."""
        self.assertEqual("fe80::1", normalizeSource("fe80::1%eth0"))

    def test_asTheKernelWritesIt(self) -> None:
        """Every address that the kernel writes gets the notation of Python's own module."""
        random_ = random.Random(20261125)
        for _ in range(2000):
            raw = random_.randbytes(16)
            for at in range(random_.randrange(8)):
                raw = raw[: 2 * at] + bytes(2) + raw[2 * at + 2 :]
            text = socket.inet_ntop(socket.AF_INET6, raw)
            self.assertEqual(str(IPv6Address(raw)), normalizeSource(text))
