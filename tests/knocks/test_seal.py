"""Tests of L{pkdoors.knocks.seal}."""

import random
import struct
from dataclasses import replace
from hashlib import sha256, sha512

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.seal import (
    MAX_SIGNATURE,
    MAX_STATEMENT,
    PREFIX,
    Sealed,
    SealError,
    Statement,
    hintOf,
    makeMessage,
    makeSignedData,
    parseSealed,
)
from pkdoors.model.sequence import Sequence

ANNA = Statement("default", 600, 1_800_000_000_123, "0123456789abcdef", "01ab23cd")
SEQUENCE = Sequence((17001, 17203, 17005, 17404, 17002))
SIGNATURE = b"\0\0\0\x0bssh-ed25519\0\0\0\x40" + bytes(range(64))
MALFORMED = "its statement is malformed"


class StatementTests(SynchronousTestCase):
    """
    What is said, as it is written and as it is read.
    """

    def test_encode(self) -> None:
        """A statement is one line of text."""
        self.assertEqual(
            b"pkdoors1 default 600 1800000000123 0123456789abcdef 01ab23cd *\n", ANNA.encode()
        )

    def test_encodeClose(self) -> None:
        """Who asks to close says so in place of the seconds."""
        text = replace(ANNA, seconds=0, close=True).encode()
        self.assertTrue(text.startswith(b"pkdoors1 default close 1800000000123 "), text)

    def test_roundTrip(self) -> None:
        """What is written is read back."""
        for statement in (
            ANNA,
            replace(ANNA, seconds=0),
            replace(ANNA, seconds=999_999_999),
            replace(ANNA, seconds=0, close=True),
            replace(ANNA, stamp=1),
            replace(ANNA, door="a"),
            replace(ANNA, door="z-9_" + 28 * "a"),
            replace(ANNA, bind="203.0.113.9"),
            replace(ANNA, bind="2001:db8::7"),
            replace(ANNA, bind="::"),
        ):
            text = statement.encode()
            self.assertEqual(
                Sealed(statement, text, SIGNATURE), parseSealed(text + SIGNATURE), statement
            )

    def test_longest(self) -> None:
        """The longest statement there is stays far below what is allowed."""
        statement = replace(
            ANNA,
            door=32 * "a",
            seconds=999_999_999,
            stamp=999_999_999_999_999,
            bind=":".join(["2001"] + 7 * ["ffff"]),
        )
        self.assertEqual(statement, parseSealed(statement.encode() + SIGNATURE).statement)
        self.assertLess(len(statement.encode()), MAX_STATEMENT)

    def test_newlinesInTheSignature(self) -> None:
        """The statement ends with the first newline; the signature may have others."""
        self.assertEqual(b"\n\n\n", parseSealed(ANNA.encode() + b"\n\n\n").signature)


class MalformedTests(SynchronousTestCase):
    """
    What is no sealed knock.
    """

    def refused(self, datagram: bytes) -> str:
        """Why a datagram is none."""
        return str(self.assertRaises(SealError, parseSealed, datagram))

    def field(self, index: int, *texts: bytes) -> None:
        """Assert that a field of the statement can be none of these."""
        for text in texts:
            words = ANNA.encode()[:-1].split(b" ")
            words[index] = text
            self.assertEqual(MALFORMED, self.refused(b" ".join(words) + b"\n" + SIGNATURE), text)

    def test_version(self) -> None:
        """Another version is not read."""
        self.field(0, b"pkdoors2", b"pkdoors", b"pkdoors11", b"PKDOORS1", b"")

    def test_door(self) -> None:
        """The door has a door's name."""
        self.field(
            1, b"", b"Default", b"1st", b"-a", b"a.b", b"\xc3\xa4", 33 * b"a", b"a\0", b"a b"
        )

    def test_seconds(self) -> None:
        """The time asked for is a whole number as it is written, or the word close."""
        self.field(2, b"", b"-1", b"+1", b"007", b"00", b"1.5", b"1e3", 10 * b"9", b"0x1", b"Close")
        self.field(2, b"closes", b"1h", "\u0663".encode(), b"1_0")

    def test_stamp(self) -> None:
        """The time of day is a whole number above 0."""
        self.field(3, b"", b"0", b"-1", b"01", b"1.5", 16 * b"9", b"now", "\u0663".encode())

    def test_nonce(self) -> None:
        """The nonce has 16 small hex digits."""
        self.field(
            4, b"", 15 * b"0", 17 * b"0", 16 * b"A", 16 * b"g", b"0x" + 14 * b"0", 16 * b"\0"
        )

    def test_hint(self) -> None:
        """The hint has 8 small hex digits."""
        self.field(5, b"", 7 * b"0", 9 * b"0", 8 * b"A", 8 * b"g", b"*")

    def test_bind(self) -> None:
        """The address has only what addresses have."""
        self.field(6, b"", b"**", b"localhost", b"10.0.0.0/8", b"fe80::1%1", b"2001:DB8::7", b"0")
        self.field(6, b"*\r", 46 * b"0", b"10.0.0.1 ", b"* *")

    def test_blanks(self) -> None:
        """There is one blank between fields, and none elsewhere."""
        text = ANNA.encode()
        for other in (text.replace(b" ", b"  "), text.replace(b" ", b"\t"), text[:-1] + b" \n"):
            self.assertEqual(MALFORMED, self.refused(other + SIGNATURE))

    def test_moreFields(self) -> None:
        """There is neither a field more nor one less."""
        text = ANNA.encode()[:-1]
        for other in (text + b" *", text[:-2], text + b" "):
            self.assertEqual(MALFORMED, self.refused(other + b"\n" + SIGNATURE))

    def test_noNewline(self) -> None:
        """A statement without an end is none."""
        self.assertEqual(MALFORMED, self.refused(ANNA.encode()[:-1]))
        self.assertEqual(MALFORMED, self.refused(ANNA.encode()[:-1] + b"\r"))

    def test_lateNewline(self) -> None:
        """Its end is not even looked for behind the longest that is allowed."""
        self.assertEqual(MALFORMED, self.refused(PREFIX + MAX_STATEMENT * b"a" + b"\n" + SIGNATURE))

    def test_noSignature(self) -> None:
        """Without a signature it is none, and the reason has the bounds."""
        self.assertEqual(
            "its signature has 0 bytes, 1 to 1100 are allowed", self.refused(ANNA.encode())
        )

    def test_longSignature(self) -> None:
        """A signature has a most, and may be as long as that."""
        most = MAX_SIGNATURE * b"\xff"
        self.assertEqual(most, parseSealed(ANNA.encode() + most).signature)
        self.assertEqual(
            "its signature has 1101 bytes, 1 to 1100 are allowed",
            self.refused(ANNA.encode() + most + b"\xff"),
        )

    def test_address(self) -> None:
        """An address is one, and written as it always is: so it can be compared as text."""
        for bind in (
            *("1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1234", ":::", "2001:db8::7::", ".."),
            *("2001:db8:0:0:0:0:0:7", "2001:0db8::7", "0:0:0:0:0:0:0:0", "::2001:db8::", "::1:"),
        ):
            self.assertEqual(
                f"it is bound to {bind!r}, which is no address, or not as it is written",
                self.refused(replace(ANNA, bind=bind).encode() + SIGNATURE),
            )

    def test_reasonIsOneLine(self) -> None:
        """No byte of the datagram that is not printable comes into the reason."""
        for byte in range(256):
            text = ANNA.encode().replace(b"*", bytes([byte]) + b"1:2")
            try:
                parseSealed(text + SIGNATURE)
            except SealError as error:
                self.assertTrue(str(error).isprintable(), byte)


class GarbageTests(SynchronousTestCase):
    """
    Whatever comes, it is read, or refused with L{SealError}: nothing else is raised.
    """

    def read(self, datagram: bytes) -> bool:
        """Whether a datagram is a sealed knock; one that is has all it came with."""
        try:
            sealed = parseSealed(datagram)
        except SealError as error:
            self.assertNotEqual("", str(error))
            return False
        self.assertEqual(datagram, sealed.text + sealed.signature)
        self.assertEqual(sealed.text, sealed.statement.encode())
        return True

    def test_everyByte(self) -> None:
        """Each byte changed to each other one, left out and doubled."""
        valid = replace(ANNA, bind="203.0.113.9").encode() + SIGNATURE
        self.assertTrue(self.read(valid))
        end = valid.index(b"\n")
        for at in range(len(valid)):
            for byte in range(256):
                isRead = self.read(valid[:at] + bytes([byte]) + valid[at + 1 :])
                self.assertTrue(isRead or at <= end, (at, byte))
            self.read(valid[:at] + valid[at + 1 :])
            self.read(valid[: at + 1] + valid[at:])

    def test_cutOff(self) -> None:
        """Cut off anywhere before its signature it is none."""
        valid = ANNA.encode() + SIGNATURE
        lengths = [length for length in range(len(valid) + 1) if self.read(valid[:length])]
        self.assertEqual(list(range(len(ANNA.encode()) + 1, len(valid) + 1)), lengths)

    def test_doubled(self) -> None:
        """What comes twice in one datagram is one knock, with all the rest for a signature."""
        valid = ANNA.encode() + SIGNATURE
        self.assertEqual(SIGNATURE + valid, parseSealed(valid + valid).signature)
        self.assertFalse(self.read(20 * valid))

    def test_random(self) -> None:
        """100,000 random datagrams that begin rightly, half of them of the right letters."""
        random_ = random.Random(20261105)
        letters = b"abcdef0123456789 *.:\nclose-_\xff\0"
        for number in range(100_000):
            length = random_.randrange(90)
            body = random_.choices(letters, k=length) if number % 2 else random_.randbytes(length)
            self.read(PREFIX + bytes(body))

    def test_shuffled(self) -> None:
        """Fields of the right form in any order are read only in the right one."""
        random_ = random.Random(20261106)
        words = ANNA.encode()[:-1].split(b" ")[1:]
        for _ in range(2000):
            random_.shuffle(mixed := list(words))
            isRead = self.read(PREFIX + b" ".join(mixed) + b"\n" + SIGNATURE)
            self.assertEqual(words == mixed, isRead, mixed)


class SignedTests(SynchronousTestCase):
    """
    What the key signs.
    """

    def test_hint(self) -> None:
        """A hint is the first 8 hex digits of the hash of key and nonce."""
        digest = sha256(b"a key0123456789abcdef").hexdigest()
        self.assertEqual(digest[:8], hintOf(b"a key", "0123456789abcdef"))

    def test_hintChanges(self) -> None:
        """Two nonces have two hints: who listens cannot tell whether it is the same key."""
        self.assertNotEqual(hintOf(b"a key", 16 * "0"), hintOf(b"a key", 15 * "0" + "1"))

    def test_message(self) -> None:
        """The ports, which are not sent, are part of it, in order and each as often as it is."""
        sequence = Sequence((5, 4, 5, 2, 1))
        self.assertEqual(ANNA.encode() + b"5,4,5,2,1\n", makeMessage(ANNA.encode(), sequence))

    def test_signedData(self) -> None:
        """It is the structure of OpenSSH's PROTOCOL.sshsig, made here by hand."""
        digest = sha512(ANNA.encode() + b"17001,17203,17005,17404,17002\n").digest()
        expected = b"SSHSIG" + struct.pack(
            ">I13sII6sI64s", 13, b"knock@pkdoors", 0, 6, b"sha512", 64, digest
        )
        self.assertEqual(expected, makeSignedData(ANNA.encode(), SEQUENCE))

    def test_otherSequence(self) -> None:
        """The same ports in another order are something else to sign."""
        other = Sequence(SEQUENCE.ports[::-1])
        self.assertNotEqual(
            makeSignedData(ANNA.encode(), SEQUENCE), makeSignedData(ANNA.encode(), other)
        )
