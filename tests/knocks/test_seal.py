"""Tests of L{pkdoors.knocks.seal}."""

import random
import struct
from hashlib import sha256, sha512

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.seal import (
    MAX_CERTIFIED,
    MAX_SIGNATURE,
    MAX_STATEMENT,
    PREFIX,
    Sealed,
    SealError,
    Statement,
    hintOf,
    makeMessage,
    makeSignedData,
    packCertificate,
    parseSealed,
)
from pkdoors.knocks.signatureforms import isWellFormed
from pkdoors.model.sequence import Sequence

ANNA = Statement("default", 600, 1_800_000_000_123, "0123456789abcdef", "01ab23cd")
SEQUENCE = Sequence((17001, 17203, 17005, 17404, 17002))
SIGNATURE = b"\0\0\0\x0bssh-ed25519\0\0\0\x40" + bytes(range(64))
MALFORMED = "its statement is malformed"


class StatementTests(SynchronousTestCase):
    """
    Writing and reading statements.
    """

    def test_encode(self) -> None:
        """A statement is one line of text."""
        self.assertEqual(
            b"pkdoors1 default 600 1800000000123 0123456789abcdef 01ab23cd *\n", ANNA.encode()
        )

    def test_encodeClose(self) -> None:
        """A statement that asks to close has the word close instead of the seconds."""
        text = ANNA._replace(seconds=0, close=True).encode()
        self.assertTrue(text.startswith(b"pkdoors1 default close 1800000000123 "), text)

    def test_roundTrip(self) -> None:
        """A statement can be read back."""
        for statement in (
            ANNA,
            ANNA._replace(seconds=0),
            ANNA._replace(seconds=999_999_999),
            ANNA._replace(seconds=0, close=True),
            ANNA._replace(stamp=1),
            ANNA._replace(door="a"),
            ANNA._replace(door="z-9_" + 28 * "a"),
            ANNA._replace(bind="203.0.113.9"),
            ANNA._replace(bind="2001:db8::7"),
            ANNA._replace(bind="::"),
        ):
            text = statement.encode()
            self.assertEqual(
                Sealed(statement, text, SIGNATURE), parseSealed(text + SIGNATURE), statement
            )

    def test_longest(self) -> None:
        """The longest possible statement is far below the limit."""
        statement = ANNA._replace(
            door=32 * "a",
            seconds=999_999_999,
            stamp=999_999_999_999_999,
            bind=":".join(["2001"] + 7 * ["ffff"]),
        )
        self.assertEqual(statement, parseSealed(statement.encode() + SIGNATURE).statement)
        self.assertLess(len(statement.encode()), MAX_STATEMENT)

    def test_newlinesInTheSignature(self) -> None:
        """The statement ends at the first newline; the signature may have more of them."""
        self.assertEqual(b"\n\n\n", parseSealed(ANNA.encode() + b"\n\n\n").signature)


class CertificateTests(SynchronousTestCase):
    """
    A certificate between the statement and the signature.
    """

    def test_roundTrip(self) -> None:
        """It is found, whatever it is."""
        for made in (65 * b"x", 1000 * b"\n"):
            found = parseSealed(ANNA.encode() + packCertificate(made) + SIGNATURE)
            self.assertEqual((made, SIGNATURE, ANNA), (*_parts(found), found.statement))

    def test_none(self) -> None:
        """No certificate takes no room, and without one nothing is taken for one."""
        self.assertEqual(b"", packCertificate(b""))
        for rest in (SIGNATURE, b"\xff\xff\xff\xff" + SIGNATURE, b"\0\0\1\0" + 256 * b"x", b"\1"):
            self.assertEqual((b"", rest), _parts(parseSealed(ANNA.encode() + rest)))

    def test_size(self) -> None:
        """With it, a datagram fits into one IPv6 packet, or is refused."""
        text, room = ANNA.encode(), MAX_CERTIFIED - len(ANNA.encode()) - len(SIGNATURE) - 4
        parseSealed(text + packCertificate(room * b"x") + SIGNATURE)
        error = self.assertRaises(
            SealError, parseSealed, text + packCertificate((room + 1) * b"x") + SIGNATURE
        )
        self.assertEqual("with its certificate it has 1233 bytes, 1232 are allowed", str(error))
        self.assertLessEqual(MAX_CERTIFIED, MAX_STATEMENT + MAX_SIGNATURE)  # the kernel's filters

    def test_message(self) -> None:
        """The hash of the certificate is a line of its own in what is signed."""
        made = makeMessage(b"statement\n", SEQUENCE, b"a certificate")
        self.assertEqual(
            makeMessage(b"statement\n", SEQUENCE)
            + sha256(b"a certificate").hexdigest().encode()
            + b"\n",
            made,
        )

    def test_oldDaemon(self) -> None:
        """A daemon that knows no certificates takes all of it for a malformed signature."""
        self.assertFalse(isWellFormed(packCertificate(500 * b"x") + SIGNATURE))


def _parts(sealed: Sealed) -> tuple[bytes, bytes]:
    return sealed.certificate, sealed.signature


class MalformedTests(SynchronousTestCase):
    """
    Datagrams that are not sealed knocks.
    """

    def refused(self, datagram: bytes) -> str:
        """Return why a datagram is refused."""
        return str(self.assertRaises(SealError, parseSealed, datagram))

    def field(self, index: int, *texts: bytes) -> None:
        """Assert that a field of the statement refuses each of some texts."""
        for text in texts:
            words = ANNA.encode()[:-1].split(b" ")
            words[index] = text
            self.assertEqual(MALFORMED, self.refused(b" ".join(words) + b"\n" + SIGNATURE), text)

    def test_version(self) -> None:
        """Another version is refused."""
        self.field(0, b"pkdoors2", b"pkdoors", b"pkdoors11", b"PKDOORS1", b"")

    def test_door(self) -> None:
        """The door must be a valid name."""
        self.field(
            1, b"", b"Default", b"1st", b"-a", b"a.b", b"\xc3\xa4", 33 * b"a", b"a\0", b"a b"
        )

    def test_seconds(self) -> None:
        """The time asked for must be a whole number in its usual form, or the word close."""
        self.field(2, b"", b"-1", b"+1", b"007", b"00", b"1.5", b"1e3", 10 * b"9", b"0x1", b"Close")
        self.field(2, b"closes", b"1h", "\u0663".encode(), b"1_0")

    def test_stamp(self) -> None:
        """The stamp must be a whole number above 0."""
        self.field(3, b"", b"0", b"-1", b"01", b"1.5", 16 * b"9", b"now", "\u0663".encode())

    def test_nonce(self) -> None:
        """The nonce must have 16 small hex digits."""
        self.field(
            4, b"", 15 * b"0", 17 * b"0", 16 * b"A", 16 * b"g", b"0x" + 14 * b"0", 16 * b"\0"
        )

    def test_hint(self) -> None:
        """The hint must have 8 small hex digits."""
        self.field(5, b"", 7 * b"0", 9 * b"0", 8 * b"A", 8 * b"g", b"*")

    def test_bind(self) -> None:
        """The address may only have the characters of addresses."""
        self.field(6, b"", b"**", b"localhost", b"10.0.0.0/8", b"fe80::1%1", b"2001:DB8::7", b"0")
        self.field(6, b"*\r", 46 * b"0", b"10.0.0.1 ", b"* *")

    def test_blanks(self) -> None:
        """There must be exactly one blank between fields, and none elsewhere."""
        text = ANNA.encode()
        for other in (text.replace(b" ", b"  "), text.replace(b" ", b"\t"), text[:-1] + b" \n"):
            self.assertEqual(MALFORMED, self.refused(other + SIGNATURE))

    def test_moreFields(self) -> None:
        """The number of fields is fixed."""
        text = ANNA.encode()[:-1]
        for other in (text + b" *", text[:-2], text + b" "):
            self.assertEqual(MALFORMED, self.refused(other + b"\n" + SIGNATURE))

    def test_noNewline(self) -> None:
        """A statement without a newline is refused."""
        self.assertEqual(MALFORMED, self.refused(ANNA.encode()[:-1]))
        self.assertEqual(MALFORMED, self.refused(ANNA.encode()[:-1] + b"\r"))

    def test_lateNewline(self) -> None:
        """A newline beyond the longest statement is not searched for."""
        self.assertEqual(MALFORMED, self.refused(PREFIX + MAX_STATEMENT * b"a" + b"\n" + SIGNATURE))

    def test_noSignature(self) -> None:
        """A datagram without a signature is refused, and the reason gives the limits."""
        self.assertEqual(
            "its signature has 0 bytes instead of 1 to 1100", self.refused(ANNA.encode())
        )

    def test_longSignature(self) -> None:
        """A signature may be as long as its limit, but not longer."""
        most = MAX_SIGNATURE * b"\xff"
        self.assertEqual(most, parseSealed(ANNA.encode() + most).signature)
        self.assertEqual(
            "its signature has 1101 bytes instead of 1 to 1100",
            self.refused(ANNA.encode() + most + b"\xff"),
        )

    def test_address(self) -> None:
        """An address must be valid and in its usual notation, so it can be compared as text."""
        for bind in (
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "01.2.3.4",
            "1234",
            ":::",
            "2001:db8::7::",
            "..",
            "2001:db8:0:0:0:0:0:7",
            "2001:0db8::7",
            "0:0:0:0:0:0:0:0",
            "::2001:db8::",
            "::1:",
        ):
            self.assertEqual(
                f"it is bound to {bind!r}, which is not an address in its usual notation",
                self.refused(ANNA._replace(bind=bind).encode() + SIGNATURE),
            )

    def test_reasonIsOneLine(self) -> None:
        """The reason shows only printable bytes of the datagram."""
        for byte in range(256):
            text = ANNA.encode().replace(b"*", bytes([byte]) + b"1:2")
            try:
                parseSealed(text + SIGNATURE)
            except SealError as error:
                self.assertTrue(str(error).isprintable(), byte)


class GarbageTests(SynchronousTestCase):
    """
    Any datagram can be read, or raises L{SealError} and nothing else.
    """

    def read(self, datagram: bytes) -> bool:
        """Return whether a datagram is a sealed knock; if so, check that nothing of it is lost."""
        try:
            sealed = parseSealed(datagram)
        except SealError as error:
            self.assertNotEqual("", str(error))
            return False
        certified = packCertificate(sealed.certificate)
        self.assertEqual(datagram, sealed.text + certified + sealed.signature)
        self.assertEqual(sealed.text, sealed.statement.encode())
        return True

    def test_everyByte(self) -> None:
        """Change each byte to each other value, leave it out, and double it."""
        valid = ANNA._replace(bind="203.0.113.9").encode() + SIGNATURE
        self.assertTrue(self.read(valid))
        end = valid.index(b"\n")
        for at in range(len(valid)):
            for byte in range(256):
                isRead = self.read(valid[:at] + bytes([byte]) + valid[at + 1 :])
                self.assertTrue(isRead or at <= end, (at, byte))
            self.read(valid[:at] + valid[at + 1 :])
            self.read(valid[: at + 1] + valid[at:])

    def test_cutOff(self) -> None:
        """A datagram that is cut off before its signature is refused."""
        valid = ANNA.encode() + SIGNATURE
        lengths = [length for length in range(len(valid) + 1) if self.read(valid[:length])]
        self.assertEqual(list(range(len(ANNA.encode()) + 1, len(valid) + 1)), lengths)

    def test_doubled(self) -> None:
        """Two knocks in one datagram are one knock, and the rest is its signature."""
        valid = ANNA.encode() + SIGNATURE
        self.assertEqual(SIGNATURE + valid, parseSealed(valid + valid).signature)
        self.assertFalse(self.read(20 * valid))

    def test_random(self) -> None:
        """
        Read 100,000 random datagrams that begin correctly, half of them with the right letters.
        """
        random_ = random.Random(20261105)
        letters = b"abcdef0123456789 *.:\nclose-_\xff\0"
        for number in range(100_000):
            length = random_.randrange(90)
            body = random_.choices(letters, k=length) if number % 2 else random_.randbytes(length)
            self.read(PREFIX + bytes(body))

    def test_shuffled(self) -> None:
        """Fields of the right form are accepted only in the right order."""
        random_ = random.Random(20261106)
        words = ANNA.encode()[:-1].split(b" ")[1:]
        for _ in range(2000):
            random_.shuffle(mixed := list(words))
            isRead = self.read(PREFIX + b" ".join(mixed) + b"\n" + SIGNATURE)
            self.assertEqual(words == mixed, isRead, mixed)


class SignedTests(SynchronousTestCase):
    """
    The data that a key signs.
    """

    def test_hint(self) -> None:
        """A hint is the first 8 hex digits of the hash of key and nonce."""
        digest = sha256(b"a key0123456789abcdef").hexdigest()
        self.assertEqual(digest[:8], hintOf(b"a key", "0123456789abcdef"))

    def test_hintChanges(self) -> None:
        """Two nonces give two hints, so a listener cannot see that it is the same key."""
        self.assertNotEqual(hintOf(b"a key", 16 * "0"), hintOf(b"a key", 15 * "0" + "1"))

    def test_message(self) -> None:
        """The message includes the ports, which are not sent, in order and with repeats."""
        sequence = Sequence((5, 4, 5, 2, 1))
        self.assertEqual(ANNA.encode() + b"5,4,5,2,1\n", makeMessage(ANNA.encode(), sequence))

    def test_signedData(self) -> None:
        """The signed data is the structure of OpenSSH's PROTOCOL.sshsig, built here by hand."""
        digest = sha512(ANNA.encode() + b"17001,17203,17005,17404,17002\n").digest()
        expected = b"SSHSIG" + struct.pack(
            ">I13sII6sI64s", 13, b"knock@pkdoors", 0, 6, b"sha512", 64, digest
        )
        self.assertEqual(expected, makeSignedData(ANNA.encode(), SEQUENCE))

    def test_otherSequence(self) -> None:
        """The same ports in another order give different data."""
        other = Sequence(SEQUENCE.ports[::-1])
        self.assertNotEqual(
            makeSignedData(ANNA.encode(), SEQUENCE), makeSignedData(ANNA.encode(), other)
        )
