"""Tests of plain locks with knocks over TCP, and with any payload."""

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.knockports import TcpPort
from tests.fakes.doors import knocks, makeDoor
from tests.locks.plaincase import ANN, BOB, A, B, C, D, E, F, PlainKnocksTestCase

LOOSE = makeDoor((A, B, C, D, E), name="loose", hearsAny=True)
STRICT = makeDoor((B, A, C, F, D), ports="443", name="strict")
MIXED = makeDoor((TcpPort(A), A, TcpPort(B), B, TcpPort(C)), ports="80", name="mixed")
EMPTY = b""


class TcpTests(PlainKnocksTestCase):
    """
    A door with knocks over TCP and over UDP.
    """

    doors = (MIXED,)

    def test_opens(self) -> None:
        """A connection that begins is a knock, and asks for no time."""
        (found,) = [
            each for each in self.hear(ANN, *MIXED.sequence.ports) if isinstance(each, Request)
        ]
        self.assertEqual(Request(MIXED, ANN, 0), found)

    def test_protocol(self) -> None:
        """A knock with the right number over the other protocol is a wrong one, or none."""
        self.assertEqual([], self.opened(ANN, A, TcpPort(A), TcpPort(B), B, TcpPort(C)))
        self.assertEqual([], self.opened(BOB, TcpPort(A), A, B, TcpPort(B), TcpPort(C)))
        self.assertEqual([], self.hear("198.51.100.7", C, TcpPort(F)))

    def test_opensItsOwn(self) -> None:
        """The same numbers over the other protocol are the sequence of another door."""
        other = makeDoor((A, TcpPort(A), B, TcpPort(B), C), name="other")
        self.locks = Lockset(map(SequenceLock, (MIXED, other)))
        self.assertEqual(["mixed"], self.opened(ANN, *MIXED.sequence.ports))
        self.assertEqual(["other"], self.opened(BOB, *other.sequence.ports))


class AnyPayloadTests(PlainKnocksTestCase):
    """
    A door that hears any payload, and one that shares ports with it and does not.
    """

    doors = (LOOSE, STRICT)

    def send(self, source: str, *ports: int, datagram: bytes = EMPTY) -> list[str]:
        """Return the doors that datagrams open."""
        results = [
            result
            for knock in knocks(source, *ports, datagram=datagram)
            for result in self.locks.hear(knock, 0.0, 0.0)
        ]
        return [each.door.name for each in results if isinstance(each, Request)]

    def test_any(self) -> None:
        """Any payload opens the one, and a time is still asked for by a real knock."""
        for number, datagram in enumerate((EMPTY, b"x", bytes(1400), b"knocks", b"pkdoors1 x")):
            source = f"198.51.100.{number}"
            self.assertEqual(["loose"], self.send(source, A, B, C, D, E, datagram=datagram))
        self.assertEqual([], self.send(ANN, A, B, C, D))
        (found,) = self.locks.hear(Knock(ANN, E, b"knock 60\r\n"), 0.0, 0.0)
        self.assertEqual(Request(LOOSE, ANN, 60), found)

    def test_notTheOther(self) -> None:
        """It does not open the other, and neither does it disturb its progress there."""
        self.assertEqual([], self.send(ANN, B, A, C, F, D))
        self.assertEqual([], self.send(BOB, B, A, C, datagram=b"knock\n"))
        self.assertEqual([], self.send(BOB, C, D))
        self.assertEqual(["strict"], self.send(BOB, F, D, datagram=b"knock\n"))

    def test_order(self) -> None:
        """A wrong order of any payload costs what one of knocks costs."""
        self.send(ANN, A, B)
        self.assertIn("loose: wrong port after 2", self.refused(ANN, D)[0])
        self.assertEqual([], self.send(ANN, A, B, C, D, E))
        self.send(BOB, A, B, E)
        self.assertIn("ignored for", self.refused(BOB, A)[0])

    def test_reload(self) -> None:
        """A reload takes it back, for progress that is half done, too."""
        self.send(ANN, A, B, C)
        strict = makeDoor((A, B, C, D, E), name="loose")
        self.locks = self.locks.replaceDoors([strict], {})
        self.assertEqual([], self.send(ANN, D, E))
        self.assertEqual(["loose"], self.send(ANN, D, E, datagram=b"knock"))
