"""Tests of L{pkdoors.knocks.wire}."""

import subprocess
from base64 import b64decode
from pathlib import Path
from shutil import which
from unittest import skipIf

from cryptography.hazmat.primitives.asymmetric import dsa
from twisted.conch.ssh.common import MP, NS
from twisted.conch.ssh.keys import FingerprintFormats, Key
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.knocks.signatures import loadKey
from pkdoors.knocks.wire import (
    ALGORITHMS,
    KINDS,
    Malformed,
    checkPublicBlob,
    fingerprint,
    isSecurityKey,
    joinStrings,
    kindOf,
    longestSignature,
    packNumber,
    splitNumber,
    splitStrings,
)
from tests.knocks.test_signatures import KINDS as NAMES
from tests.knocks.test_signatures import SK_KINDS, makeKeyOnce
from tests.lab.garbage import changed, spoiled
from tests.lab.sealing import SecurityKey, certificate, makeKey

SSH_KEYGEN = which("ssh-keygen")
MADE = (
    *(("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")),
    *(("rsa", "1024"), ("rsa", "2048"), ("rsa", "3072"), ("rsa", "4096")),
)
"""What C{ssh-keygen} makes here: types and sizes."""


def allBlobs() -> list[bytes]:
    """Return a public key of each kind."""
    keys = [makeKeyOnce(name).public().blob() for name in NAMES]
    return keys + [SecurityKey(kind).blob for kind in SK_KINDS]


def judge(check: object, blob: bytes) -> str:
    """Return the sentence with which a check refuses a key; empty if it accepts it."""
    try:
        check(blob)  # type: ignore[operator]
    except BadValue as error:
        return str(error)
    return ""


class StringTests(SynchronousTestCase):
    """
    Strings and numbers.
    """

    def test_join(self) -> None:
        """Strings are joined as conch does it, and split again."""
        strings = [b"", b"a", bytes(300)]
        data = joinStrings(*strings)
        self.assertEqual(b"".join(map(NS, strings)), data)
        self.assertEqual([*strings, b"rest"], splitStrings(data + b"rest", 3))

    def test_cutOff(self) -> None:
        """A string or a number that the data ends in is refused."""
        data = joinStrings(b"abc", b"de")
        for end in range(len(data)):
            self.assertRaises(Malformed, splitStrings, data[:end], 2)
        for size in (1, 4, 8):
            self.assertEqual((255, b"x"), splitNumber((255).to_bytes(size) + b"x", size))
            self.assertRaises(Malformed, splitNumber, bytes(size - 1), size)

    def test_numbers(self) -> None:
        """A number is as short as conch makes it, and never looks negative."""
        for number in (0, 1, 127, 128, 255, 256, 32767, 32768, 2**2047, 2**2048 - 1):
            self.assertEqual(MP(number), joinStrings(packNumber(number)), number)


class KeyTests(SynchronousTestCase):
    """
    What is known about a key from its blob.
    """

    def test_tables(self) -> None:
        """The tables have the same types."""
        self.assertEqual(list(ALGORITHMS), list(KINDS))
        self.assertEqual(set(ALGORITHMS), set(map(kindOf, allBlobs())))

    def test_securityKeys(self) -> None:
        """A security key is one that conch takes for one."""
        for blob in allBlobs():
            self.assertIs(loadKey(blob).isSecurityKey(), isSecurityKey(blob))

    def test_longestSignature(self) -> None:
        """No signature is longer than the longest, and some have that length."""
        for name in (*NAMES, "rsa3072"):
            key = makeKeyOnce(name)
            algorithm = ALGORITHMS[key.sshType()][0]
            sizes = {len(key.sign(b"%d" % number, algorithm)) for number in range(200)}
            self.assertLessEqual(max(sizes), longestSignature(key.public().blob()), name)
            self.assertGreaterEqual(max(sizes), longestSignature(key.public().blob()) - 2, name)
        for kind in SK_KINDS:
            touched = SecurityKey(kind)
            sizes = {len(touched.sign(b"%d" % number)) for number in range(200)}
            self.assertEqual(max(sizes), longestSignature(touched.blob), kind)

    def test_fingerprint(self) -> None:
        """A fingerprint is written like OpenSSH's."""
        key = makeKeyOnce("ed25519").public()
        line = fingerprint(key.blob())
        self.assertRegex(line, r"\ASHA256:[A-Za-z0-9+/]{43}\Z")
        theirs = key.fingerprint(FingerprintFormats.SHA256_BASE64)
        self.assertEqual(f"SHA256:{theirs.rstrip('=')}", line)


class CheckPublicBlobTests(SynchronousTestCase):
    """
    L{checkPublicBlob} accepts what L{loadKey} accepts.
    """

    def assertSame(self, blob: bytes) -> None:
        """Assert that both give the same judgement of a key, in the same words."""
        self.assertEqual(judge(loadKey, blob), judge(checkPublicBlob, blob), blob)

    @skipIf(SSH_KEYGEN is None, "there is no ssh-keygen here")
    def test_openSSH(self) -> None:
        """It judges the keys that OpenSSH makes in the same words."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for kind, size in MADE:
            path = folder / f"{kind}{size}"
            command = [str(SSH_KEYGEN), "-q", "-t", kind, "-b", size, "-N", "", "-f", str(path)]
            subprocess.run(command, check=True, capture_output=True)
            blob = b64decode(path.with_suffix(".pub").read_text().split()[1])
            self.assertSame(blob)
            self.assertEqual(size == "1024", judge(checkPublicBlob, blob) != "")
        for key in map(SecurityKey, SK_KINDS):
            self.assertEqual("", judge(checkPublicBlob, key.blob))

    def test_refused(self) -> None:
        """It refuses keys of other kinds and sizes, and what is no key, in the same words."""
        ed25519, rsa = NS(b"ssh-ed25519"), NS(b"ssh-rsa")
        modulus = MP((1 << 2047) | 1)
        for blob in (
            Key(dsa.generate_private_key(1024)).public().blob(),
            certificate(makeKey(), makeKey()),
            *(b"", b"\0\0\0", NS(b""), NS(b"x"), ed25519, ed25519 + NS(bytes(31)), b"\xff" * 90),
            *(ed25519 + NS(bytes(32)) + b"x", ed25519 + NS(bytes(33)), rsa, rsa + NS(b"")),
            *(rsa + MP(exponent) + modulus for exponent in (0, 1, 2, 4, 65536, 1 << 2048)),
            *(rsa + MP((1 << bits) | 1) + modulus for bits in (64, 99)),
            *(rsa + MP(65537) + MP((1 << bits) | 1) for bits in (500, 1023, 2046, 8192)),
            rsa + MP(65537) + modulus + NS(b""),
            NS(b"ecdsa-sha2-nistp256") * 3,
            NS(b"ecdsa-sha2-nistp256") + NS(b"nistp256") + NS(b"\4" + bytes(63)),
        ):
            self.assertNotEqual("", judge(checkPublicBlob, blob), blob)
            self.assertSame(blob)

    def test_accepted(self) -> None:
        """It accepts the smallest and largest numbers of an RSA key, as C{loadKey} does."""
        for exponent in (3, 65537, (1 << 63) | 1):
            for bits in (2047, 8191):
                blob = NS(b"ssh-rsa") + MP(exponent) + MP((1 << bits) | 1)
                self.assertEqual("", judge(checkPublicBlob, blob))
                self.assertSame(blob)

    def test_otherEncodings(self) -> None:
        """A key has one encoding."""
        modulus = (1 << 2047) | 1
        for numbers in (
            NS(b"\0\1\0\1") + MP(modulus),
            MP(65537) + NS(b"\0" + MP(modulus)[4:]),
            MP(65537) + NS(MP(modulus)[5:]),
        ):
            for check in (loadKey, checkPublicBlob):
                self.assertNotEqual("", judge(check, NS(b"ssh-rsa") + numbers))
        blob = makeKeyOnce("ecdsa256").public().blob()
        name, curve, point, _ = splitStrings(blob, 3)
        packed = bytes([2 + point[-1] % 2]) + point[1:33]
        for wrong in (joinStrings(name, curve, packed), joinStrings(name, b"nistp384", point)):
            for check in (loadKey, checkPublicBlob):
                self.assertNotEqual("", judge(check, wrong))

    def test_damaged(self) -> None:
        """
        Of damaged keys, it refuses what C{loadKey} refuses, but for points that are not on their
        curve; it raises nothing else, whatever the bytes.
        """
        accepted = 0
        for good in allBlobs():
            for blob in (*changed(good), *spoiled(good, 300)):
                theirs, ours = judge(loadKey, blob), judge(checkPublicBlob, blob)
                if theirs and not ours:
                    self.assertIn(b"nistp", kindOf(blob))
                    self.assertEqual(len(good), len(blob))
                else:
                    self.assertEqual(theirs != "", ours != "", blob)
                    accepted += not ours
        self.assertGreater(accepted, 100)
