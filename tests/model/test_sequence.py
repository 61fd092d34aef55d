"""Tests of L{pkdoors.model.sequence}."""

import random
from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.model.knockports import TcpPort, numberOf
from pkdoors.model.sequence import Sequence


class FakeRandom:
    """
    A fake C{SystemRandom}: its first sample is in ascending order, the next one is not.
    """

    samples = ([20001, 20002, 20003, 20004, 20005, 20006], [20004, 20001, 20006, 20003, 20005])

    def __init__(self) -> None:
        self._left = list(self.samples)
        self.populations: list[range] = []

    def sample(self, population: range, count: int) -> list[int]:
        """Return the next sample."""
        self.populations.append(population)
        return self._left.pop(0)


class ParseTests(SynchronousTestCase):
    """
    Tests of L{Sequence.parse}.
    """

    def test_good(self) -> None:
        """Ports separated by commas are read, in order and with repeats."""
        self.assertEqual((9, 5, 7, 5, 1), Sequence.parse("9,5, 7,5 ,1").ports)

    def test_length(self) -> None:
        """5 and 20 ports are allowed."""
        for length in (5, 20):
            text = ",".join(["17001"] * length)
            self.assertEqual((17001,) * length, Sequence.parse(text).ports)

    def test_wrongLength(self) -> None:
        """Fewer than 5 or more than 20 ports are refused, and the message gives both limits."""
        error = self.assertRaises(BadValue, Sequence.parse, "1,2,3,4")
        self.assertEqual("it has 4 ports: a sequence has 5 to 20, separated by commas", str(error))
        error = self.assertRaises(BadValue, Sequence.parse, ",".join(["7"] * 21))
        self.assertIn(" has 21 ports: a sequence has 5 to 20", str(error))

    def test_bad(self) -> None:
        """An item that is not a port is refused."""
        for bad in ("0", "65536", "word", "", "22/icmp", "5-6", "22/", "/tcp", "22 /tcp", "0/tcp"):
            self.assertRaises(BadValue, Sequence.parse, f"1,2,{bad},4,5,6")

    def test_tcp(self) -> None:
        """A port can be one of TCP, also as knockd writes it; a number alone is one of UDP."""
        found = Sequence.parse("7/tcp,7,8/udp,9:tcp, 5:udp ")
        self.assertEqual((TcpPort(7), 7, 8, TcpPort(9), 5), found.ports)
        self.assertEqual("7/tcp,7,8,9/tcp,5", str(found))
        self.assertEqual([7, 9], found.tcpPorts())

    def test_text(self) -> None:
        """A sequence is written in the form in which it is read."""
        self.assertEqual("9,5,7,5,1", str(Sequence((9, 5, 7, 5, 1))))

    def test_value(self) -> None:
        """A sequence is equal to one with the same ports in the same order, and to nothing else."""
        first, second = Sequence((9, 5, 7, 5, 1)), Sequence.parse("9,5,7,5,1")
        self.assertEqual((first, hash(first)), (second, hash(second)))
        for other in (Sequence((9, 5, 7, 1, 5)), Sequence.parse("9/tcp,5,7,5,1"), first.ports):
            self.assertNotEqual(first, other)

    def test_isSecret(self) -> None:
        """Its C{repr}, which tracebacks show, hides the ports."""
        self.assertEqual("Sequence()", repr(Sequence((17001, 17203, 17005, 17404, 17002))))


class WarningTests(SynchronousTestCase):
    """
    Tests of L{Sequence.warnings}.
    """

    def warnings(self, *ports: int) -> list[str]:
        """Return the warnings about a sequence."""
        return Sequence(ports).warnings()

    def test_none(self) -> None:
        """A sequence of 6 different ports out of order is fine."""
        self.assertEqual([], self.warnings(5, 3, 1, 6, 2, 4))

    def test_ascending(self) -> None:
        """Ascending ports get a warning with the reason, even if a port repeats."""
        expected = [
            "the sequence is in ascending order, so a simple port scan can open the door: "
            "mix the ports"
        ]
        self.assertEqual(expected, self.warnings(1, 2, 3, 4, 5, 6))
        self.assertEqual(expected, self.warnings(1, 2, 3, 4, 5, 6, 6))

    def test_descending(self) -> None:
        """Descending ports get one, too."""
        (warning,) = self.warnings(6, 5, 4, 3, 2, 1)
        self.assertTrue(warning.startswith("the sequence is in descending order, so a "))

    def test_short(self) -> None:
        """A sequence of 5 ports gets a warning with the number of tries."""
        self.assertEqual(
            [
                "the sequence has so few different ports that anybody who finds them can guess "
                "their order in only 24 tries: use at least 6, better 8"
            ],
            self.warnings(3, 1, 2, 5, 4),
        )

    def test_repeats(self) -> None:
        """Many ports get a warning if few of them are different."""
        (warning,) = self.warnings(1, 2, 1, 1, 1, 1, 1, 1)
        self.assertIn("in only 1 try:", warning)

    def test_both(self) -> None:
        """A short sequence in order gets two warnings; no warning shows a port."""
        warnings = self.warnings(17001, 17002, 17003, 17004, 17005)
        self.assertEqual(2, len(warnings))
        self.assertNotIn("1700", "".join(warnings))

    def test_public(self) -> None:
        """The public default of port-knocking-doors gets its warning first, before the others."""
        public, *more = self.warnings(16001, 16002, 16003, 16004, 16005)
        self.assertEqual(
            "the sequence is the public default of port-knocking-doors, so anybody can open "
            "the door: use another one (`pkdoors sequence` makes one)",
            public,
        )
        self.assertEqual(2, len(more))
        self.assertNotIn("public", "".join(self.warnings(16002, 16001, 16003, 16004, 16005)))

    def test_tries(self) -> None:
        """The tries are the orders without their rotations, as counted by trying all orders."""
        self.assertEqual(5040, Sequence((1, 2, 3, 4, 5, 6, 7, 8)).tries())
        for ports in (
            (1, 2, 3, 4, 5),
            (1, 1, 2, 2, 3),
            (1,) * 5,
            (1, 1, 2, 2, 3, 3),
            (1, 1, 1, 2, 2, 2),
            (1, 2, 1, 2, 1, 2),
            (1, 2, 3, 4, 5, 6),
            (1, 1, 1, 1, 1, 2, 2),
        ):
            orders = set(permutations(ports))
            tries = {min(row[at:] + row[:at] for at in range(len(row))) for row in orders}
            self.assertEqual(len(tries), Sequence(ports).tries(), ports)


class DirectionTests(SynchronousTestCase):
    """
    Tests of L{Sequence.direction} with both protocols.
    """

    def test_scans(self) -> None:
        """A scan of both protocols at once, or one after the other, finds such sequences."""
        for text, expected in (
            ("1/tcp,2,3/tcp,4,5", "ascending"),
            ("5,4/tcp,3,2,1/tcp", "descending"),
            ("3/tcp,4/tcp,1,2,5", "ascending"),
            ("3,4,1/tcp,2/tcp,5/tcp", "ascending"),
            ("4/tcp,3/tcp,5,2,1", "descending"),
            ("4/tcp,3/tcp,1,2,5", ""),
            ("3/tcp,4,1/tcp,2,5", ""),
            ("1/tcp,3/tcp,2/tcp,4/tcp,5/tcp", ""),
        ):
            self.assertEqual(expected, Sequence.parse(text).direction(), text)

    def test_tries(self) -> None:
        """The same number of both protocols is two ports to guess."""
        self.assertEqual(24, Sequence.parse("1/tcp,1,2,2/tcp,3").tries())


class RandomTests(SynchronousTestCase):
    """
    Tests of L{Sequence.random}.
    """

    def test_ports(self) -> None:
        """A random sequence has as many different ports as requested, from 10000 to 32767."""
        for length in (5, 8, 20):
            ports = Sequence.random(length, lambda port: True).ports
            self.assertEqual((length, length), (len(ports), len(set(ports))))
            self.assertTrue(all(10_000 <= numberOf(port) <= 32_767 for port in ports))

    def test_tcp(self) -> None:
        """It can have TCP ports, whose order no scan follows either."""
        ports = Sequence.random(5, lambda port: numberOf(port) % 1000 == 0, isTcp=True).ports
        self.assertTrue(all(isinstance(port, TcpPort) for port in ports))
        self.assertEqual("", Sequence(ports).direction())

    def test_free(self) -> None:
        """It has only free ports."""
        free = {11_111, 12_222, 13_333, 14_444, 15_555, 16_666}
        ports = Sequence.random(6, free.__contains__).ports
        self.assertEqual(free, set(ports))

    def test_notInOrder(self) -> None:
        """A sequence that comes out in ascending order is thrown away."""
        numbers = FakeRandom()
        self.patch(random, "SystemRandom", lambda: numbers)
        sequence = Sequence.random(5, lambda port: True)
        self.assertEqual((20004, 20001, 20006, 20003, 20005), sequence.ports)

    def test_population(self) -> None:
        """The ports are above the well-known ports, and below Linux' ephemeral ones."""
        numbers = FakeRandom()
        self.patch(random, "SystemRandom", lambda: numbers)
        Sequence.random(5, lambda port: True)
        self.assertEqual({range(10_000, 32_768)}, set(numbers.populations))

    def test_differ(self) -> None:
        """Two random sequences differ."""
        first, second = (Sequence.random(8, lambda port: True) for _ in range(2))
        self.assertNotEqual(first, second)

    def test_length(self) -> None:
        """Too few or too many ports are refused."""
        for length in (4, 21):
            self.assertRaises(BadValue, Sequence.random, length, lambda port: True)
