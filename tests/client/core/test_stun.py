"""Tests of L{pkdoors.client.core.stun}."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core import stun
from pkdoors.client.core.stun import (
    PORT,
    Server,
    StunError,
    Transaction,
    learnAddress,
    parseServer,
)
from pkdoors.errors import BadValue, KnockError, NoAddress
from tests.fakes.stun import answerTo, attribute, mapped, message
from tests.lab.properties import PROPERTY

HERE = Server("stun.example", PORT)
NUMBER = bytes.fromhex("b7e7a701bc34d686fa87dfae")
ANSWER4 = """
0101003c 2112a442 b7e7a701bc34d686fa87dfae
8022000b 7465737420766563746f7220
00200008 0001a147e112a643
00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
80280004 c07d4c96
"""
"""RFC 5769, 2.2."""
ANSWER6 = """
01010048 2112a442 b7e7a701bc34d686fa87dfae
8022000b 7465737420766563746f7220
00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
80280004 c8fb0b4c
"""
"""RFC 5769, 2.3."""


class ServerTests(SynchronousTestCase):
    """
    Tests of L{parseServer}.
    """

    def test_good(self) -> None:
        """It is a name or an address, with a port if that is not the usual one."""
        for text, host, port in (
            ("stun:stun.example", "stun.example", PORT),
            ("stun:stun.example:19302", "stun.example", 19302),
            ("stun:192.0.2.1", "192.0.2.1", PORT),
            ("stun:[2001:db8::1]:5349", "2001:db8::1", 5349),
            ("stun:2001:db8::1", "2001:db8::1", PORT),
        ):
            self.assertEqual((host, port), parseServer(text))

    def test_wrong(self) -> None:
        """Everything else is refused."""
        for text in ("stun:", "stun.example", "stun://h", "stun:u@h", "stun:h:0", "stun:h:x"):
            self.assertRaises(BadValue, parseServer, text)
        self.assertRaises(BadValue, parseServer, "stun: h")


class TransactionTests(SynchronousTestCase):
    """
    Tests of L{Transaction}.
    """

    def setUp(self) -> None:
        """Ask."""
        self.transaction = Transaction()
        self.number = self.transaction.question[8:]

    def receive(self, *attributes: bytes, kind: int = 0x0101) -> str | None:
        """Return what is read from an answer."""
        return self.transaction.receive(message(kind, self.number, *attributes))

    def wrong(self, *attributes: bytes, kind: int = 0x0101) -> str:
        """Return why an answer is of no use."""
        return str(self.assertRaises(StunError, self.receive, *attributes, kind=kind))

    def test_question(self) -> None:
        """It is a Binding request without attributes, with a number of its own."""
        self.assertEqual(bytes.fromhex("000100002112a442"), self.transaction.question[:8])
        self.assertEqual(20, len(self.transaction.question))
        self.assertNotEqual(self.transaction.question, Transaction().question)

    def test_vectors(self) -> None:
        """It reads the answers of RFC 5769."""
        self.patch(stun, "urandom", lambda size: NUMBER[:size])
        transaction = Transaction()
        self.assertEqual("192.0.2.1", transaction.receive(bytes.fromhex(ANSWER4)))
        found = transaction.receive(bytes.fromhex(ANSWER6))
        self.assertEqual("2001:db8:1234:5678:11:2233:4455:6677", found)

    def test_mapped(self) -> None:
        """The address in XOR-MAPPED-ADDRESS comes before MAPPED-ADDRESS, which some NATs change."""
        plain = mapped("9.9.9.8")
        self.assertEqual("9.9.9.8", self.receive(plain))
        self.assertEqual("9.9.9.9", self.receive(plain, mapped("9.9.9.9", self.number)))
        self.assertEqual("2a00::1", self.receive(mapped("2a00::1")))

    def test_foreign(self) -> None:
        """What does not answer this question is ignored."""
        answer = answerTo(self.transaction.question, "9.9.9.9")
        self.assertEqual("9.9.9.9", self.transaction.receive(answer))
        other = answerTo(Transaction().question, "9.9.9.9")
        wrongCookie = answer[:4] + bytes(4) + answer[8:]
        for datagram in (b"", other, wrongCookie, answer[:-1], answer + b"\0", answer[:19]):
            self.assertIsNone(self.transaction.receive(datagram))
        for kind in (0x0001, 0x0011, 0x0102, 0x4101, 0):
            self.assertIsNone(self.receive(mapped("9.9.9.9"), kind=kind))

    def test_errors(self) -> None:
        """An error of the server has its number."""
        code = attribute(9, b"\0\0\4\x14Unknown")
        self.assertEqual("answers with error 420", self.wrong(code, kind=0x0111))
        self.assertEqual("answers with error ?", self.wrong(kind=0x0111))

    def test_damaged(self) -> None:
        """So is an answer that is damaged, or without an address."""
        self.assertEqual("answers without an address", self.wrong())
        self.assertEqual("answers without an address", self.wrong(attribute(0x8022, b"x")))
        self.assertIn("not known (0x7777)", self.wrong(attribute(0x7777), mapped("9.9.9.9")))
        for value in (b"", b"\0\1\0\0", b"\0\1\0\0abc", b"\0\3\0\0abcd", b"\0\2\0\0abcd"):
            self.assertEqual("sends a damaged answer", self.wrong(attribute(1, value)))
        self.assertEqual("sends a damaged answer", self.wrong(b"\0\1\0\x08\0\1"))

    def test_anything(self) -> None:
        """Whatever a server sends is an address, nothing, or one error."""

        def check(kind: int, body: bytes, isLong: bool) -> None:
            datagram = kind.to_bytes(2) + (len(body) + isLong).to_bytes(2)
            try:
                self.transaction.receive(datagram + b"\x21\x12\xa4\x42" + self.number + body)
            except StunError as error:
                self.assertNotIn("\n", str(error))

        kinds = st.sampled_from((0x0101, 0x0111, 0x0001))
        bodies = st.one_of(
            st.binary(max_size=60),
            st.lists(st.builds(attribute, st.integers(0, 0x30), st.binary(max_size=24))).map(
                b"".join
            ),
        )
        PROPERTY(given(kinds, bodies, st.booleans())(check))()


class LearnTests(SynchronousTestCase):
    """
    Tests of L{learnAddress}.
    """

    def learn(self, said: str | Exception, destination: str = "8.8.8.8") -> Any:
        """Return what is learned from a server that says this."""

        async def exchange(server: Server, family: int, transaction: Transaction) -> str:
            self.assertEqual(6 if ":" in destination else 4, family)
            if isinstance(said, Exception):
                raise said
            return said

        return Deferred.fromCoroutine(learnAddress(HERE, destination, exchange))

    def test_good(self) -> None:
        """It is what the server says."""
        self.assertEqual("9.9.9.9", self.successResultOf(self.learn("9.9.9.9")))
        self.assertEqual("2a00::1", self.successResultOf(self.learn("2a00::1", "2a01::1")))

    def test_noFamily(self) -> None:
        """A server that is not there for this family cannot tell."""
        self.assertIsNone(self.successResultOf(self.learn(NoAddress("x"))))

    def test_wrong(self) -> None:
        """What cannot be true is one sentence."""
        for said, destination in (
            *((each, "8.8.8.8") for each in ("10.0.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0")),
            *((each, "8.8.8.8") for each in ("255.255.255.255", "192.0.2.1", "100.64.0.1")),
            *((each, "2a01::1") for each in ("fd00::1", "fe80::1", "::", "::1", "ff02::1")),
            ("9.9.9.9", "2a01::1"),
            ("::ffff:9.9.9.9", "2a01::1"),
            ("2a00::1", "8.8.8.8"),
        ):
            failure = self.failureResultOf(self.learn(said, destination), KnockError)
            self.assertIn("'stun.example' says that this host is seen as ", str(failure.value))

    def test_silent(self) -> None:
        """So are a server that does not answer, and one that cannot be reached."""
        for said, what in (
            (StunError("does not answer within 3s"), "does not answer within 3s: use --bind"),
            (OSError(101, "Network is unreachable"), "cannot ask the STUN server 'stun.example'"),
        ):
            failure = self.failureResultOf(self.learn(said), KnockError)
            self.assertIn(what, str(failure.value))
