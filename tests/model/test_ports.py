"""Tests of L{pkdoors.model.ports}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.model.ports import (
    PortRange,
    mergeRanges,
    parsePort,
    parsePortRange,
    parsePortRanges,
    parseTcpPort,
    splitList,
)
from pkdoors.util.quoting import shown


class ParsePortTests(SynchronousTestCase):
    """
    Tests of L{parsePort}.
    """

    def test_good(self) -> None:
        """Numbers from 1 to 65535 are ports."""
        self.assertEqual([1, 22, 65535, 22], [parsePort(t) for t in ("1", "22", "65535", " 22 ")])

    def test_bad(self) -> None:
        """Everything else is refused."""
        bad = [
            "",
            "0",
            "65536",
            "99999",
            "-1",
            "+22",
            "22.0",
            "0x16",
            "ssh",
            "2 2",
            "²",
            "٢٢",
            "22/tcp",
            "1e3",
            "9" * 5000,
        ]
        for text in bad:
            error = self.assertRaises(BadValue, parsePort, text)
            self.assertEqual(
                f"{shown(text)} is not a port: a port is a number from 1 to 65535", str(error)
            )

    def test_leadingZeros(self) -> None:
        """A number too large is refused, however many zeros are in front of it."""
        for text in ("000065536", "00000002217001", "000000022999"):
            self.assertRaises(BadValue, parsePort, text)


class ParseTcpPortTests(SynchronousTestCase):
    """
    Tests of L{parseTcpPort}.
    """

    def test_good(self) -> None:
        """A number is a TCP port, and its protocol can follow."""
        self.assertEqual([22, 22, 65535], list(map(parseTcpPort, ("22", " 22/tcp ", "65535:tcp"))))

    def test_udp(self) -> None:
        """A UDP port is refused: nobody can see whether it is open."""
        self.assertEqual(
            "this is a UDP port, and only a TCP port accepts connections: "
            "give a TCP port, such as 22 or 22/tcp",
            str(self.assertRaises(BadValue, parseTcpPort, "51820/udp")),
        )

    def test_bad(self) -> None:
        """Everything else is refused."""
        for text in ("", "/tcp", "0/tcp", "22/", "22/sctp", "22/TCP", "22/tcp/udp", "22-23/tcp"):
            self.assertIn("is not a", str(self.assertRaises(BadValue, parseTcpPort, text)))


class SplitListTests(SynchronousTestCase):
    """
    Tests of L{splitList}.
    """

    def test_split(self) -> None:
        """Items are separated by commas, with or without blanks."""
        self.assertEqual(["22", "80", "a b"], splitList("22, 80 ,a b", "ports"))

    def test_empty(self) -> None:
        """An empty item is refused, and the message says what is expected."""
        for text in ("", ",", "22,", ",22", "22,,80", "22, ,80"):
            error = self.assertRaises(BadValue, splitList, text, "ports")
            self.assertEqual(
                f"{shown(text)} has an empty item: separate ports with single commas", str(error)
            )


class PortRangeTests(SynchronousTestCase):
    """
    Tests of L{PortRange} and L{parsePortRange}.
    """

    def test_good(self) -> None:
        """Every form of a port is read; the default protocol is tcp."""
        self.assertEqual(PortRange("tcp", 22, 22), parsePortRange("22"))
        self.assertEqual(PortRange("tcp", 22, 22), parsePortRange("22/tcp"))
        self.assertEqual(PortRange("udp", 51820, 51820), parsePortRange(" 51820/udp "))
        self.assertEqual(PortRange("tcp", 6000, 6010), parsePortRange("6000-6010"))
        self.assertEqual(PortRange("udp", 1, 65535), parsePortRange("1-65535/udp"))
        self.assertEqual(PortRange("tcp", 22, 22), parsePortRange("22-22/tcp"))

    def test_bad(self) -> None:
        """Everything else is refused."""
        bad = [
            "",
            "/tcp",
            "0",
            "65536",
            "ssh",
            "22/",
            "22/TCP",
            "22/sctp",
            "22/tcp/udp",
            "tcp/22",
            "-",
            "-22",
            "22-",
            "0-22",
            "22-65536",
            "20-21-22",
            "20..22",
            "22 tcp",
            "22:23",
        ]
        for text in bad:
            self.assertRaises(BadValue, parsePortRange, text)

    def test_colon(self) -> None:
        """knockd's notation is accepted, too."""
        for text in ("53:udp", "6000-6010:tcp"):
            self.assertEqual(parsePortRange(text.replace(":", "/")), parsePortRange(text))
        for text in ("6000:6010", "22:", "22:tcp:udp", "22/tcp:udp", ":tcp"):
            self.assertRaises(BadValue, parsePortRange, text)

    def test_messageNamesTheValue(self) -> None:
        """The message quotes the whole value, not only an empty part of it."""
        for text in ("-22", "22-", "/udp", "22/sctp"):
            self.assertIn(repr(text), str(self.assertRaises(BadValue, parsePortRange, text)))

    def test_unknownProtocol(self) -> None:
        """For an unknown protocol the message says what is allowed."""
        error = self.assertRaises(BadValue, parsePortRange, "22/sctp")
        self.assertEqual(
            "'22/sctp' is not a port: write 22, 22/tcp, 51820/udp or 6000-6010/tcp, "
            "several with commas",
            str(error),
        )

    def test_backwards(self) -> None:
        """A range that runs backwards is refused, and the message says how to write it."""
        error = self.assertRaises(BadValue, parsePortRange, "6010-6000/tcp")
        self.assertEqual("this runs backwards: write the smaller port first", str(error))

    def test_text(self) -> None:
        """A range is written in the operator's own notation."""
        self.assertEqual("22/tcp", str(PortRange("tcp", 22, 22)))
        self.assertEqual("6000-6010/udp", str(PortRange("udp", 6000, 6010)))
        self.assertEqual("6000-6010", PortRange("udp", 6000, 6010).span)

    def test_overlaps(self) -> None:
        """Ranges overlap if they have a port of the same protocol in common."""
        middle = PortRange("tcp", 20, 30)
        for other in ((30, 40), (10, 20), (22, 23), (1, 99), (20, 30)):
            self.assertTrue(middle.overlaps(PortRange("tcp", *other)), other)
            self.assertFalse(middle.overlaps(PortRange("udp", *other)), other)
        for other in ((31, 40), (1, 19)):
            self.assertFalse(middle.overlaps(PortRange("tcp", *other)), other)


class ParsePortRangesTests(SynchronousTestCase):
    """
    Tests of L{parsePortRanges} and L{mergeRanges}.
    """

    def written(self, text: str) -> str:
        """Read ports, and write them again."""
        return ",".join(map(str, parsePortRanges(text)))

    def test_sorted(self) -> None:
        """Ports are sorted, by protocol and then by number."""
        self.assertEqual(
            "22/tcp,80/tcp,6000-6010/tcp,8080/tcp,51820/udp",
            self.written("51820/udp,8080,22, 80,6000-6010"),
        )

    def test_merged(self) -> None:
        """Ranges that overlap, touch, contain each other or repeat are merged."""
        self.assertEqual("20-40/tcp", self.written("20-30,25-40"))
        self.assertEqual("22-24/tcp", self.written("22,23,24"))
        self.assertEqual("1-100/tcp", self.written("1-100,5,7-9,50-60"))
        self.assertEqual("22/tcp", self.written("22,22/tcp"))

    def test_apart(self) -> None:
        """Ranges with a port between them stay apart, and so do those of two protocols."""
        self.assertEqual("20/tcp,22/tcp", self.written("22,20"))
        self.assertEqual("22/tcp,23/udp", self.written("22/tcp,23/udp"))

    def test_bad(self) -> None:
        """One bad or empty item refuses the whole list."""
        for text in ("", "22,", "22,ssh", "22,80-79", "22;80"):
            self.assertRaises(BadValue, parsePortRanges, text)

    def test_none(self) -> None:
        """No ranges give no ranges."""
        self.assertEqual((), mergeRanges([]))

    def test_samePorts(self) -> None:
        """Merging neither adds nor loses a port, and leaves a gap between any two ranges."""
        random_ = random.Random(20261106)
        for _ in range(200):
            ranges = [
                PortRange(random_.choice(("tcp", "udp")), first, first + random_.randrange(4))
                for first in random_.choices(range(1, 40), k=8)
            ]
            result = mergeRanges(ranges)
            ports = [(r.protocol, p) for r in result for p in range(r.first, r.last + 1)]
            self.assertEqual(
                {(r.protocol, p) for r in ranges for p in range(r.first, r.last + 1)}, set(ports)
            )
            self.assertEqual(sorted(set(ports)), ports)
            touching = [r for r in result if (r.protocol, r.last + 1) in ports]
            self.assertEqual([], touching)
