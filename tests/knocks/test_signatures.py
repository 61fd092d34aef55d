"""Tests of L{pkdoors.knocks.signatures}."""

import struct
import subprocess
from base64 import b64encode
from functools import cache
from hashlib import sha512
from pathlib import Path
from shutil import which
from unittest import skipIf

from cryptography.hazmat.primitives.asymmetric import dsa
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.knocks.seal import makeSignedData
from pkdoors.knocks.signatures import checkKey, isGood, loadKey
from pkdoors.knocks.wire import ALGORITHMS
from pkdoors.model.sequence import Sequence
from tests.lab.sealing import SecurityKey, makeKey

KINDS = ("ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa2048")
SK_KINDS = ("ed25519", "ecdsa")
DATA = b"what is signed"
SSH_KEYGEN = which("ssh-keygen")

makeKeyOnce = cache(makeKey)  # RSA keys take long to generate


def sign(key: Key, data: bytes = DATA) -> bytes:
    """Sign with the best algorithm of a key."""
    signature: bytes = key.sign(data, ALGORITHMS[key.sshType()][0])
    return signature


def loadPublic(key: Key) -> Key:
    """Return the public key, as a server has it."""
    return loadKey(key.public().blob())


class LoadKeyTests(SynchronousTestCase):
    """
    Tests of L{loadKey} and L{checkKey}.
    """

    def test_kinds(self) -> None:
        """These kinds of keys are accepted."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            self.assertEqual(key.public().blob(), loadPublic(key).blob(), kind)

    def test_securityKeys(self) -> None:
        """Security keys are accepted, too, and stay unchanged."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            self.assertTrue(loadKey(key.blob).isSecurityKey(), kind)
            self.assertEqual(getNS(key.blob)[0], loadKey(key.blob).sshType())

    def test_followed(self) -> None:
        """A key with something after it is refused: no hint could ever find it."""
        blob = makeKey().public().blob()
        loadKey(blob)
        self.assertIn(
            "something follows it", str(self.assertRaises(BadValue, loadKey, blob + b"x"))
        )

    def test_shortRSA(self) -> None:
        """An RSA key that can be broken is refused."""
        error = self.assertRaises(BadValue, loadPublic, makeKeyOnce("rsa1024"))
        self.assertEqual(
            "an RSA key of 1024 bits is not accepted: use 2048 to 8192, or ed25519", str(error)
        )

    def test_longRSA(self) -> None:
        """An RSA key that takes too long to check is refused."""
        number = (1 << 8192) | 1
        blob = NS(b"ssh-rsa") + NS(b"\1\0\1") + NS(number.to_bytes(1025))
        error = self.assertRaises(BadValue, loadKey, blob)
        self.assertIn("an RSA key of 8193 bits is not accepted", str(error))

    def test_dsa(self) -> None:
        """A DSA key is refused, and the message says what to use."""
        key = Key(dsa.generate_private_key(1024))
        error = self.assertRaises(BadValue, checkKey, key.public())
        self.assertEqual(
            "ssh-dss keys are not accepted: use ed25519 (ssh-keygen -t ed25519)", str(error)
        )

    def test_garbage(self) -> None:
        """
        Anything that is not a key is refused, and no other error is raised: cut off, or made up.
        """
        blob = makeKeyOnce("ecdsa256").public().blob()
        blobs = [blob[:length] for length in range(len(blob))]
        blobs += [NS(b"ssh-ed25519"), NS(b"ssh-rsa") + NS(b"\1") * 2, NS(b"x"), b"\xff" * 90]
        blobs += [NS(b"ssh-ed25519-cert-v01@openssh.com") + blob, NS(b"ecdsa-sha2-nistp256") * 3]
        for each in blobs:
            error = self.assertRaises(BadValue, loadKey, each)
            self.assertEqual("it is not an SSH public key", str(error))


class IsGoodTests(SynchronousTestCase):
    """
    Tests of L{isGood} with keys from a file.
    """

    def test_good(self) -> None:
        """A key's signature over the data is good, with each of its algorithms."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            for algorithm in ALGORITHMS[key.sshType()]:
                self.assertIs(True, isGood(loadPublic(key), key.sign(DATA, algorithm), DATA), kind)

    def test_otherData(self) -> None:
        """A signature over other data is bad."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            for data in (b"", DATA[:-1], DATA + b"\0", DATA.upper()):
                self.assertIs(False, isGood(loadPublic(key), sign(key), data), kind)

    def test_otherKey(self) -> None:
        """A signature by another key is bad, whether of the same kind or not."""
        for kind in KINDS:
            key = loadPublic(makeKeyOnce(kind))
            for other in KINDS:
                wrong = makeKey(other) if other == kind else makeKeyOnce(other)
                self.assertIs(False, isGood(key, sign(wrong), DATA), (kind, other))

    def test_trailing(self) -> None:
        """A signature with something after it is bad, inside its frame and outside."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            algorithm, inner, _ = getNS(sign(key), 2)
            for more in (b"\0", b"\0\0\0\0", 5 * b"\1"):
                self.assertFalse(isGood(loadPublic(key), sign(key) + more, DATA), kind)
                grown = NS(algorithm) + NS(inner + more)
                self.assertFalse(isGood(loadPublic(key), grown, DATA), kind)

    def test_truncated(self) -> None:
        """A signature that is cut off is bad."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            public, signature = loadPublic(key), sign(key)
            for length in range(len(signature)):
                self.assertIs(False, isGood(public, signature[:length], DATA), (kind, length))

    def test_everyByte(self) -> None:
        """A signature with a changed byte is bad, even if a length promises too much."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            public, signature = loadPublic(key), sign(key)
            for at in range(len(signature)):
                for bit in (1, 128):
                    changed = bytearray(signature)
                    changed[at] ^= bit
                    self.assertIs(False, isGood(public, bytes(changed), DATA), (kind, at))

    def test_numbers(self) -> None:
        """The numbers of an ECDSA signature have only one valid encoding."""
        key = makeKeyOnce("ecdsa256")
        algorithm, inner, _ = getNS(sign(key), 2)
        first, second, _ = getNS(inner, 2)
        for numbers in (NS(b"\0" + first) + NS(second), NS(first) + NS(b"\0" + second)):
            self.assertFalse(isGood(loadPublic(key), NS(algorithm) + NS(numbers), DATA))

    def test_sha1(self) -> None:
        """RSA with SHA-1 is refused, although the signature itself is correct."""
        key = makeKeyOnce("rsa2048")
        signature = key.sign(DATA, b"ssh-rsa")
        self.assertTrue(key.public().verify(signature, DATA))
        self.assertIs(False, isGood(loadPublic(key), signature, DATA))

    def test_otherAlgorithm(self) -> None:
        """A signature under the name of another algorithm is bad."""
        for kind in KINDS:
            key = makeKeyOnce(kind)
            algorithm, inner, _ = getNS(sign(key), 2)
            names = {name for several in ALGORITHMS.values() for name in several} - {algorithm}
            for name in names | {b"", b"ssh-rsa", b"ssh-dss", algorithm + b"\0"}:
                self.assertFalse(isGood(loadPublic(key), NS(name) + NS(inner), DATA), (kind, name))

    def test_fortyBytes(self) -> None:
        """Forty bytes are not a DSA signature, although conch takes them for one."""
        for kind in KINDS:
            self.assertIs(False, isGood(loadPublic(makeKeyOnce(kind)), 40 * b"\0", DATA))
            framed = NS(b"ssh-ed25519") + NS(21 * b"\0")
            self.assertEqual(40, len(framed))
            self.assertIs(False, isGood(loadPublic(makeKeyOnce(kind)), framed, DATA))


class SecurityKeyTests(SynchronousTestCase):
    """
    Tests of L{isGood} with security keys.
    """

    def test_good(self) -> None:
        """A signature with a touch is good, whatever the counter."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            for counter in (0, 7, 0xFFFFFFFF):
                signature = key.sign(DATA, counter=counter)
                self.assertIs(True, isGood(loadKey(key.blob), signature, DATA), kind)

    def test_application(self) -> None:
        """The application may be text or bytes in conch."""
        key = SecurityKey()
        for application in ("ssh:", b"ssh:"):
            public = loadKey(key.blob)
            public.application = application
            self.assertTrue(isGood(public, key.sign(DATA), DATA), application)

    def test_otherApplication(self) -> None:
        """A key for another application is another key."""
        key = SecurityKey()
        public = loadKey(key.blob)
        public.application = b"ssh:other"
        self.assertFalse(isGood(public, key.sign(DATA), DATA))

    def test_verified(self) -> None:
        """More flags than the touch are allowed, as when a PIN was given."""
        key = SecurityKey()
        self.assertTrue(isGood(loadKey(key.blob), key.sign(DATA, flags=5), DATA))

    def test_untouched(self) -> None:
        """A signature without a touch is bad."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            for flags in (0, 4, 0xFE):
                signature = key.sign(DATA, flags)
                self.assertIs(False, isGood(loadKey(key.blob), signature, DATA), (kind, flags))

    def test_trailerIsSigned(self) -> None:
        """Changed flags, or a changed counter, make it bad."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            signature, public = key.sign(DATA, counter=7), loadKey(key.blob)
            for trailer in ((5, 7), (1, 8), (1, 6), (1, 0x07000000)):
                other = signature[:-5] + struct.pack("!BI", *trailer)
                self.assertIs(False, isGood(public, other, DATA), (kind, trailer))

    def test_truncated(self) -> None:
        """A signature that is cut off is bad, even within the trailer."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            signature, public = key.sign(DATA), loadKey(key.blob)
            for length in range(len(signature)):
                self.assertIs(False, isGood(public, signature[:length], DATA), (kind, length))

    def test_everyByte(self) -> None:
        """A signature with a changed byte is bad."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            signature, public = key.sign(DATA), loadKey(key.blob)
            for at in range(len(signature)):
                changed = signature[:at] + bytes([signature[at] ^ 2]) + signature[at + 1 :]
                self.assertIs(False, isGood(public, changed, DATA), (kind, at))

    def test_trailing(self) -> None:
        """A signature with something after the counter is bad."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            for more in (b"\0", 5 * b"\1"):
                self.assertFalse(isGood(loadKey(key.blob), key.sign(DATA) + more, DATA), kind)

    def test_otherData(self) -> None:
        """A signature over other data is bad, and so is one by another key."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            self.assertFalse(isGood(loadKey(key.blob), key.sign(DATA + b"\0"), DATA), kind)
            self.assertFalse(isGood(loadKey(key.blob), SecurityKey(kind).sign(DATA), DATA), kind)

    def test_plainSignature(self) -> None:
        """A signature without the frame is bad, under both names."""
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            plain = key._key.sign(DATA)
            _, inner, _ = getNS(plain, 2)
            framed = NS(key._name) + NS(inner)
            for signature in (plain, framed, framed + b"\1\0\0\0\7"):
                self.assertFalse(isGood(loadKey(key.blob), signature, DATA), kind)


class OpenSSHTests(SynchronousTestCase):
    """
    OpenSSH's own judgement of the signatures that these tests make.
    """

    def verify(self, blob: bytes, signature: bytes, message: bytes) -> bool:
        """Return whether C{ssh-keygen -Y verify} accepts a signature over a message."""
        folder = Path(self.mktemp())
        folder.mkdir()
        kind = getNS(blob)[0].decode()
        (folder / "signers").write_text(f"anna {kind} {b64encode(blob).decode()}\n")
        whole = b"SSHSIG\0\0\0\1" + b"".join(
            map(NS, (blob, b"knock@pkdoors", b"", b"sha512", signature))
        )
        armor = f"-----BEGIN SSH SIGNATURE-----\n{b64encode(whole).decode()}\n"
        (folder / "seal").write_text(f"{armor}-----END SSH SIGNATURE-----\n")
        arguments = ["-Y", "verify", "-f", "signers", "-I", "anna", "-n", "knock@pkdoors"]
        done = subprocess.run(
            [str(SSH_KEYGEN), *arguments, "-s", "seal"],
            cwd=folder,
            input=message,
            capture_output=True,
        )
        return done.returncode == 0

    @skipIf(SSH_KEYGEN is None, "there is no ssh-keygen here")
    def test_sameJudgement(self) -> None:
        """It accepts exactly what is good here, of keys and of emulated security keys."""
        text, sequence = b"pkdoors1 default 0 1 x\n", Sequence((5, 4, 3, 2, 1))
        message, data = text + b"5,4,3,2,1\n", makeSignedData(text, sequence)
        self.assertIn(sha512(message).digest(), data)
        for kind in KINDS:
            blob = makeKeyOnce(kind).public().blob()
            signature = sign(makeKeyOnce(kind), data)
            self.assertTrue(isGood(loadKey(blob), signature, data), kind)
            self.assertTrue(self.verify(blob, signature, message), kind)
        for kind in SK_KINDS:
            key = SecurityKey(kind)
            self.assertTrue(isGood(loadKey(key.blob), key.sign(data), data), kind)
            self.assertTrue(self.verify(key.blob, key.sign(data), message), kind)
            self.assertFalse(self.verify(key.blob, key.sign(data), message + b"\n"), kind)
