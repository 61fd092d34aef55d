"""Tests of L{pkdoors.knocks.order}: the text of an order, and what is signed."""

import re
from hashlib import sha512

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks import seal
from pkdoors.knocks.order import (
    MAX_ORDER,
    MAX_TEXT,
    NAMESPACE,
    Order,
    OrderError,
    makeOrderData,
    makeOrderNonce,
    packOrder,
    parseOrder,
)
from pkdoors.knocks.seal import MAX_SIGNATURE, frameMessage, hintOf
from pkdoors.knocks.wire import fingerprint
from tests.lab.properties import PROPERTY
from tests.lab.sealing import makeKey

KEY = fingerprint(makeKey().public().blob())
ORDERS = [
    Order("prod", "close", "203.0.113.9", 1_800_000_000_000, "0123456789abcdef"),
    Order("prod", "close", "2001:db8::/32", 1, "0" * 16),
    Order("0-a_b", "close", "*", 999_999_999_999_999, "f" * 16),
    Order("prod", "ban", KEY, 1_800_000_000_000, "0123456789abcdef"),
    Order("f" * 32, "unban", KEY, 1_800_000_000_000, "0123456789abcdef"),
]
HINT = b"01234567"
GOOD = ORDERS[0].encode() + HINT + b"signature"
BAN = ORDERS[3].encode() + HINT + b"signature"


class OrderTests(SynchronousTestCase):
    """
    Reading and writing.
    """

    def test_text(self) -> None:
        """The text has all fields in one line."""
        text = b"pkdoors-order1 prod close 203.0.113.9 1800000000000 0123456789abcdef\n"
        self.assertEqual(text, ORDERS[0].encode())

    def test_roundTrip(self) -> None:
        """What is written is read again, with the signature as it was."""
        for order in ORDERS:
            found = parseOrder(order.encode() + HINT + b"signature\n")
            self.assertEqual((order, order.encode(), b"signature\n", HINT.decode()), found)

    def test_hint(self) -> None:
        """The hint is that of the key, and must have its form."""
        data = packOrder(ORDERS[0].encode(), b"a blob", b"signature")
        self.assertEqual(hintOf(b"a blob", ORDERS[0].nonce), parseOrder(data).hint)
        for wrong in (b"", b"0123456", b"0123456X", b"0123456\n"):
            with self.assertRaisesRegex(OrderError, "hint is malformed"):
                parseOrder(ORDERS[0].encode() + wrong)
        for text in (b"", b"\n", b"\xff \xfe\n"):
            with self.assertRaises(OrderError):
                parseOrder(packOrder(text, b"a blob", b"signature"))

    def test_digest(self) -> None:
        """The name of an order depends on its text alone."""
        names = {
            parseOrder(order.encode() + HINT + end).digest
            for order in ORDERS
            for end in (b"1", b"2")
        }
        self.assertEqual(len(ORDERS), len(names))

    def test_malformed(self) -> None:
        """A text that differs by anything is not an order."""
        for old, new in (
            (b"pkdoors-order1", b"pkdoors-order2"),
            (b"pkdoors-order1 ", b"pkdoors1 "),
            (b" prod ", b" Prod "),
            (b" prod ", b" "),
            (b" prod ", b" " + b"f" * 33 + b" "),
            (b"close", b"open"),
            (b"close", b"ban"),
            (b"203.0.113.9", b""),
            (b" 1800000000000", b" 0"),
            (b" 1800000000000", b" 01800000000000"),
            (b" 1800000000000", b" -1"),
            (b"0123456789abcdef", b"0123456789ABCDEF"),
            (b"0123456789abcdef", b"0123456789abcde"),
            (b"\n", b"\r\n"),
            (b"\n", b""),
            (b"\n", b" \n"),
        ):
            with self.assertRaisesRegex(OrderError, "^its text is malformed$"):
                parseOrder(GOOD.replace(old, new))

    def test_oneNotation(self) -> None:
        """Whoever is meant has one notation: a signed text never has two meanings."""
        for wrong in (
            b"203.0.113.09",
            b"203.0.113.9/32",
            b"203.0.113.9/24",
            b"203.0.113.0/024",
            b"2001:DB8::1",
            b"2001:db8:0::1",
            b"::ffff:203.0.113.9",
            b"2001:db8::1/128",
            b"1.2.3",
            b"a:b",
            b"..",
        ):
            with self.assertRaises(OrderError, msg=wrong):
                parseOrder(GOOD.replace(b"203.0.113.9", wrong))

    def test_fingerprints(self) -> None:
        """
        A fingerprint must be one that a key can have: else a ban would look like one, and ban
        nobody.
        """
        name = KEY.encode()
        for wrong in (name[:-1], name + b"A", name[:-1] + b"B", b"MD5:" + name[7:], name.lower()):
            with self.assertRaisesRegex(OrderError, "malformed"):
                parseOrder(BAN.replace(name, wrong))
        for _ in range(50):
            other = fingerprint(makeKey().public().blob()).encode()
            self.assertEqual(other.decode(), parseOrder(BAN.replace(name, other)).order.what)

    def test_signature(self) -> None:
        """There must be a signature, and it must not be too long."""
        text = ORDERS[0].encode()
        with self.assertRaisesRegex(OrderError, "its signature has 0 bytes"):
            parseOrder(text + HINT)
        with self.assertRaisesRegex(OrderError, "its signature has 1101 bytes"):
            parseOrder(text + HINT + b"x" * (MAX_SIGNATURE + 1))
        parseOrder(text + HINT + b"x" * MAX_SIGNATURE)

    def test_longest(self) -> None:
        """The longest order fits."""
        network = "2001:db8:1234:5678:9abc:def0:1234:0/112"
        for verb, what in (("close", network), ("unban", KEY)):
            text = Order("f" * 32, verb, what, 10**15 - 1, "0" * 16).encode()
            self.assertLess(len(text), MAX_TEXT)
            data = text + HINT + b"x" * MAX_SIGNATURE
            self.assertLessEqual(len(data), MAX_ORDER)
            self.assertEqual(what, parseOrder(data).order.what)

    @PROPERTY
    @given(st.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        """Whatever the bytes, nothing but an L{OrderError} is raised."""
        for each in (data, ORDERS[0].encode()[:20] + data, GOOD + data):
            try:
                self.assertIn(parseOrder(each).text, each)
            except OrderError:
                pass

    @PROPERTY
    @given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
    def test_oneByte(self, at: int, change: int) -> None:
        """An order with another byte is another order, or none."""
        wrong = bytearray(GOOD)
        wrong[at] ^= change
        try:
            found = parseOrder(bytes(wrong))
        except OrderError:
            return
        self.assertNotEqual(parseOrder(GOOD), found)
        self.assertEqual(bytes(wrong), found.order.encode() + found.hint.encode() + found.signature)

    def test_nonce(self) -> None:
        """Each nonce is a new one."""
        self.assertEqual(100, len({makeOrderNonce() for _ in range(100)}))
        self.assertTrue(re.fullmatch("[0-9a-f]{16}", makeOrderNonce()))


class SignedTests(SynchronousTestCase):
    """
    What is signed.
    """

    def test_data(self) -> None:
        """The signed data is SSHSIG with the namespace of orders."""
        digest = sha512(b"text\n").digest()
        expected = b"SSHSIG\0\0\0\x0dorder@pkdoors\0\0\0\0\0\0\0\x06sha512\0\0\0\x40" + digest
        self.assertEqual(expected, makeOrderData(b"text\n"))

    def test_notAKnock(self) -> None:
        """Whoever signs a knock with the text of an order has not signed the order."""
        self.assertNotEqual(seal.NAMESPACE, NAMESPACE)
        self.assertNotEqual(frameMessage(b"text\n"), makeOrderData(b"text\n"))
