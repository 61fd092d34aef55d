"""Tests of L{pkdoors.knocks.signatureforms}."""

from cryptography.hazmat.primitives.asymmetric import ec
from twisted.conch.ssh.common import MP, NS, getNS
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.signatureforms import isVerified, isWellFormed
from pkdoors.knocks.signatures import isGood
from pkdoors.knocks.wire import ALGORITHMS
from tests.knocks.test_signatures import DATA, KINDS, SK_KINDS, loadPublic, makeKeyOnce, sign
from tests.lab.sealing import SecurityKey


class IsWellFormedTests(SynchronousTestCase):
    """
    Tests of L{isWellFormed}.
    """

    def test_good(self) -> None:
        """
        All signatures that keys make are well-formed, many times over, also those of security keys.
        """
        for kind in KINDS:
            key = makeKeyOnce(kind)
            for algorithm in ALGORITHMS[key.sshType()]:
                for number in range(20):
                    self.assertTrue(isWellFormed(key.sign(b"%d" % number, algorithm)), kind)
        for kind in SK_KINDS:
            self.assertTrue(isWellFormed(SecurityKey(kind).sign(DATA)), kind)

    def test_whateverIsGood(self) -> None:
        """Change or remove any byte: a signature that is not well-formed is never good."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            public, signature = loadPublic(key), sign(key)
            for length in range(len(signature)):
                self.assertFalse(isWellFormed(signature[:length]), (kind, length))
            self.assertFalse(isWellFormed(signature + b"\0"), kind)
            for at in range(len(signature)):
                changed = signature[:at] + bytes([signature[at] ^ 128]) + signature[at + 1 :]
                self.assertFalse(isGood(public, changed, DATA), (kind, at))

    def test_orders(self) -> None:
        """Numbers are below the order of their group, which matches OpenSSL's."""
        for kind, curve in (
            ("ecdsa256", ec.SECP256R1()),
            ("ecdsa384", ec.SECP384R1()),
            ("ecdsa521", ec.SECP521R1()),
        ):
            algorithm = getNS(sign(makeKeyOnce(kind)))[0]
            order = curve.group_order

            def frame(first: int, second: int, algorithm: bytes = algorithm) -> bytes:
                return NS(algorithm) + NS(MP(first) + MP(second))

            for good in ((1, 1), (order - 1, 1), (1, order - 1)):
                self.assertTrue(isWellFormed(frame(*good)), (kind, good))
            for bad in ((0, 1), (1, 0), (order, 1), (1, order)):
                self.assertFalse(isWellFormed(frame(*bad)), (kind, bad))
            negative = NS(algorithm) + NS(NS(b"\xff") + MP(1))
            self.assertFalse(isWellFormed(negative), kind)

    def test_ed25519(self) -> None:
        """The number of an Ed25519 signature is, too; it stands last and backwards, RFC 8032."""
        order = 2**252 + 27742317777372353535851937790883648493
        for number, expected in ((0, True), (order - 1, True), (order, False), (2**255, False)):
            inner = bytes(32) + number.to_bytes(32, "little")
            self.assertIs(expected, isWellFormed(NS(b"ssh-ed25519") + NS(inner)), number)
        for size in (0, 32, 63, 65):
            self.assertFalse(isWellFormed(NS(b"ssh-ed25519") + NS(bytes(size))), size)

    def test_rsa(self) -> None:
        """RSA signatures have the lengths of accepted keys."""
        for size, expected in ((255, False), (256, True), (1024, True), (1025, False)):
            framed = NS(b"rsa-sha2-512") + NS(bytes(size))
            self.assertIs(expected, isWellFormed(framed), size)

    def test_untouched(self) -> None:
        """A security key's signature must say that the key was touched, and end after that."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            self.assertFalse(isWellFormed(key.sign(DATA, flags=0)))
            self.assertFalse(isWellFormed(key.sign(DATA) + b"\0"))
            self.assertFalse(isWellFormed(key.sign(DATA)[:-5]))

    def test_otherAlgorithm(self) -> None:
        """An algorithm that is not accepted has no well-formed signatures."""
        key = makeKeyOnce("rsa2048")
        self.assertFalse(isWellFormed(key.sign(DATA, b"ssh-rsa")))
        for name in (b"", b"ssh-rsa", b"ssh-dss", b"x"):
            self.assertFalse(isWellFormed(NS(name) + NS(bytes(64))))


class IsVerifiedTests(SynchronousTestCase):
    """
    Tests of L{isVerified}.
    """

    def test_flags(self) -> None:
        """A security key says so in its flags, and only a security key can."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            for flags, expected in ((1, False), (5, True), (4, True)):
                self.assertIs(expected, isVerified(key.sign(DATA, flags)), (kind, flags))
        self.assertFalse(isVerified(sign(makeKeyOnce("ed25519")) + b"\5\0\0\0\0"))
