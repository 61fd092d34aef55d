"""Tests of L{pkdoors.client.keys._formats} and L{pkdoors.client.keys._pairs}."""

from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.keys._filesigner import parsePrivateKey
from pkdoors.client.keys._formats import (
    MAX_ROUNDS,
    NotReadable,
    PassphraseNeeded,
    findPublicBlob,
    isEncrypted,
    isPrivate,
    parsePublicBlob,
)
from pkdoors.client.keys._pairs import readKeyPair
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.seal import frameMessage
from pkdoors.knocks.signatures import isGood, loadKey
from tests.fakes.agent import SecurityKey, makeKey

KINDS = ("ed25519", "ecdsa", "rsa")
OPENSSH, PEM, PKCS8 = PrivateFormat.OpenSSH, PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8
FORMATS = [(kind, form) for kind in KINDS for form in (OPENSSH, PKCS8)]
FORMATS += [("ecdsa", PEM), ("rsa", PEM)]  # ed25519 has no PEM format


def encode(key: Key, form: PrivateFormat = OPENSSH, passphrase: bytes = b"") -> bytes:
    """Return a private key as a file has it."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase)
        if form is OPENSSH:  # with one round, which takes a hundredth of the time
            encryption = form.encryption_builder().kdf_rounds(1).build(passphrase)
    encoded: bytes = key._keyObject.private_bytes(Encoding.PEM, form, encryption)
    return encoded


def publicLine(blob: bytes, kind: bytes = b"ssh-ed25519") -> bytes:
    """Return the content of a public key file."""
    return kind + b" " + b64encode(blob) + b" me@here\n"


def securityFile(cipher: bytes = b"none", blob: bytes | None = None) -> bytes:
    """Return a private key file of a security key, which holds only a handle."""
    blob = SecurityKey().blob() if blob is None else blob
    parts = (cipher, b"none", b"")
    raw = b"openssh-key-v1\0" + b"".join(map(NS, parts)) + b"\0\0\0\1" + NS(blob) + NS(b"handle")
    name = b"OPENSSH PRIVATE KEY-----\n"
    return b"-----BEGIN " + name + b64encode(raw) + b"\n-----END " + name


class PrivateKeyTests(SynchronousTestCase):
    """
    Tests of L{parsePrivateKey}.
    """

    def test_plain(self) -> None:
        """All kinds and formats are read."""
        for kind, form in FORMATS:
            data = encode(makeKey(kind), form)
            self.assertTrue(isPrivate(data))
            self.assertEqual(makeKey(kind).blob(), parsePrivateKey(data).publicKey, (kind, form))

    def test_encrypted(self) -> None:
        """With the passphrase, encrypted ones are read, too."""
        for kind, form in FORMATS:
            data = encode(makeKey(kind), form, b"right")
            self.assertEqual(makeKey(kind).blob(), parsePrivateKey(data, b"right").publicKey)

    def test_passphraseNeeded(self) -> None:
        """The error for an encrypted key is of its own kind, so the passphrase can be asked for."""
        for kind, form in FORMATS:
            data = encode(makeKey(kind), form, b"right")
            self.assertRaises(PassphraseNeeded, parsePrivateKey, data)

    def test_passphraseWrong(self) -> None:
        """A wrong passphrase is reported as that, and so is an empty one."""
        for kind, form in FORMATS:
            data = encode(makeKey(kind), form, b"right")
            for passphrase in (b"wrong", b"", b"\xff"):
                error = self.assertRaises(BadValue, parsePrivateKey, data, passphrase)
                self.assertEqual("the passphrase is wrong", str(error), (kind, form))
                self.assertNotIsInstance(error, PassphraseNeeded)

    def test_damaged(self) -> None:
        """A damaged file is one sentence, whatever the parsers raise."""
        good = encode(makeKey("ed25519"))
        lines = good.splitlines(keepends=True)
        for data in (
            b"-----BEGIN OPENSSH PRIVATE KEY-----",
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n-----END OPENSSH PRIVATE KEY-----\n",
            b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            lines[0] + lines[1] + lines[-1],
            good.replace(lines[1][:8], b"AAAAAAAA"),
        ):
            error = self.assertRaises(BadValue, parsePrivateKey, data)
            self.assertEqual("it is damaged, or not a supported private key", str(error))

    def test_otherHalf(self) -> None:
        """A file that shows another key's public half is damaged."""
        for kind in KINDS:
            key = makeKey(kind)
            lines = encode(key).splitlines()
            raw = b64decode(b"".join(lines[1:-1]))
            blob = key.blob()
            for at in range(12, len(blob), 5):
                other = bytearray(blob)
                other[at] ^= 1
                changed = b64encode(raw.replace(blob, bytes(other), 1))
                data = b"\n".join((lines[0], changed, lines[-1]))
                self.assertRaises(BadValue, parsePrivateKey, data)

    def test_damagedRSA(self) -> None:
        """A wrong signature would tell the primes: an RSA key with wrong numbers signs nothing."""
        key = makeKey("rsa")._keyObject.private_numbers()
        for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp"):
            number = getattr(key, name)
            lines = encode(makeKey("rsa")).splitlines()
            raw = b64decode(b"".join(lines[1:-1]))
            packed = number.to_bytes(number.bit_length() // 8 + 1)
            if packed not in raw:
                self.assertIn("dm", name)  # OpenSSH's format does not have these
                continue
            other = (number ^ 4).to_bytes(len(packed))
            changed = b64encode(raw.replace(packed, other, 1))
            data = b"\n".join((lines[0], changed, lines[-1]))
            try:
                signer = parsePrivateKey(data)
            except BadValue:
                continue
            signing = Deferred.fromCoroutine(signer.sign(b"message"))
            if signing.called and not isinstance(signing.result, Failure):
                made = self.successResultOf(signing)  # by a way that the number is not needed for
                good = isGood(loadKey(signer.publicKey), made, frameMessage(b"message"))
                self.assertTrue(good, name)
            else:
                self.failureResultOf(signing, KnockError)

    def test_otherCipher(self) -> None:
        """An unsupported cipher is named before the passphrase is asked for."""
        error = self.assertRaises(BadValue, parsePrivateKey, securityFile(b"chacha20-poly1305"))
        self.assertIsInstance(error, NotReadable)
        self.assertIn("it is encrypted with chacha20-poly1305, which is not", str(error))

    def test_isEncrypted(self) -> None:
        """Each format shows whether it is encrypted."""
        for kind, form in FORMATS:
            self.assertFalse(isEncrypted(encode(makeKey(kind), form)))
            self.assertTrue(isEncrypted(encode(makeKey(kind), form, b"right")), (kind, form))

    def test_manyRounds(self) -> None:
        """A file that would take years to decrypt is refused before anything is asked."""
        data = encode(makeKey("ed25519"), OPENSSH, b"right")
        lines = data.splitlines()
        raw = bytearray(b64decode(b"".join(lines[1:-1])))
        at = raw.index(NS(b"bcrypt")) + 10 + 4 + 4 + 16  # the name, two lengths, the salt
        for rounds, isTaken in ((MAX_ROUNDS, True), (MAX_ROUNDS + 1, False), (2**32 - 1, False)):
            raw[at : at + 4] = rounds.to_bytes(4)
            changed = b"\n".join((lines[0], b64encode(raw), lines[-1]))
            error = self.assertRaises(BadValue, parsePrivateKey, changed)
            self.assertEqual(isTaken, isinstance(error, PassphraseNeeded))
            if not isTaken:
                self.assertIn(f"with {rounds} rounds, which take too long", str(error))

    def test_notTaken(self) -> None:
        """A kind of key that no daemon accepts is refused here already."""
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        weak = rsa.generate_private_key(65537, 1024)
        error = self.assertRaises(BadValue, parsePrivateKey, encode(Key(weak)))
        self.assertIn("an RSA key of 1024 bits is not accepted", str(error))
        other = Key(ec.generate_private_key(ec.SECP256K1()))
        self.assertRaises(BadValue, parsePrivateKey, encode(other, PEM))


class PublicBlobTests(SynchronousTestCase):
    """
    Tests of L{parsePublicBlob} and L{findPublicBlob}.
    """

    def test_public(self) -> None:
        """The public key of a public file is read, with and without a comment."""
        for kind in KINDS:
            line = makeKey(kind).public().toString("openssh", comment=b"a b c")
            self.assertFalse(isPrivate(line))
            self.assertEqual(makeKey(kind).blob(), parsePublicBlob(line))
            self.assertEqual(makeKey(kind).blob(), parsePublicBlob(b" ".join(line.split()[:2])))

    def test_securityKey(self) -> None:
        """So is that of a security key."""
        blob = SecurityKey().blob()
        self.assertEqual(blob, parsePublicBlob(publicLine(blob, SecurityKey.name)))
        self.assertEqual(blob, findPublicBlob(securityFile()))

    def test_noKey(self) -> None:
        """A file that is not a public key is one sentence."""
        blob = makeKey("ed25519").blob()
        for data in (
            b"",
            b"\xff\0",
            b"ssh-ed25519",
            b"ssh-ed25519 !!!",
            b"ssh-ed25519 AAAA",
            b64encode(blob),
            publicLine(blob, b"ssh-rsa"),
            publicLine(b"\0\0\0\1"),
        ):
            error = self.assertRaises(BadValue, parsePublicBlob, data)
            self.assertEqual("it does not contain an SSH key", str(error), data)

    def test_ofPrivate(self) -> None:
        """OpenSSH's own format shows the public key without the passphrase; PEM does not."""
        for kind in KINDS:
            for passphrase in (b"", b"right"):
                data = encode(makeKey(kind), OPENSSH, passphrase)
                self.assertEqual(makeKey(kind).blob(), findPublicBlob(data))
                self.assertIsNone(findPublicBlob(encode(makeKey(kind), PKCS8, passphrase)))

    def test_ofDamaged(self) -> None:
        """A file that is damaged, or of a kind that no daemon accepts, is refused."""
        for data in (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
            securityFile(blob=b""),
            securityFile(blob=NS(b"ssh-strange") + NS(b"key")),
        ):
            self.assertRaises(BadValue, findPublicBlob, data)


class KeyPairTests(SynchronousTestCase):
    """
    Tests of L{readKeyPair}.
    """

    def setUp(self) -> None:
        """Make a folder."""
        self.path = Path(self.mktemp())
        self.beside = Path(f"{self.path}.pub")
        self.blob = makeKey("ed25519").blob()

    def write(self, data: bytes, mode: int = 0o600) -> None:
        """Write the private key's file."""
        self.path.write_bytes(data)
        self.path.chmod(mode)

    def test_private(self) -> None:
        """A private key in OpenSSH's format includes its public half."""
        data = encode(makeKey("ed25519"), OPENSSH, b"right")
        self.write(data)
        pair = readKeyPair(str(self.path))
        self.assertEqual((data, self.blob, False), (pair.secret, pair.blob, pair.needsAgent))
        self.assertNotIn("OPENSSH", repr(pair))

    def test_beside(self) -> None:
        """A PEM file has it beside it, or shows it only with its passphrase."""
        self.write(encode(makeKey("ed25519"), PKCS8, b"right"))
        self.assertIsNone(readKeyPair(str(self.path)).blob)
        self.beside.write_bytes(publicLine(self.blob))
        self.assertEqual(self.blob, readKeyPair(str(self.path)).blob)

    def test_besideIsBad(self) -> None:
        """A file beside it that is not a public key does not matter."""
        self.write(encode(makeKey("ed25519"), PKCS8, b"right"))
        self.beside.write_bytes(b"ssh-ed25519-cert-v01@openssh.com AAAA")
        pair = readKeyPair(str(self.path))
        self.assertEqual((None, False), (pair.blob, pair.needsAgent))

    def test_public(self) -> None:
        """
        With a public key alone the agent signs, whether its own name or the private key's is given.
        """
        self.beside.write_bytes(publicLine(self.blob))
        for path in (self.path, self.beside):
            pair = readKeyPair(str(path))
            self.assertEqual((b"", self.blob, True), (pair.secret, pair.blob, pair.needsAgent))

    def test_securityKey(self) -> None:
        """A security key's private file can sign without the agent, if the key is there."""
        self.write(securityFile())
        pair = readKeyPair(str(self.path))
        self.assertEqual((SecurityKey().blob(), False), (pair.blob, pair.needsAgent))

    def test_exposed(self) -> None:
        """A private key that others can read is refused; a public one can be read by all."""
        self.write(encode(makeKey("ed25519")), 0o640)
        error = self.assertRaises(BadValue, readKeyPair, str(self.path))
        self.assertIn(f"chmod 600 {self.path}", str(error))
        self.write(publicLine(self.blob), 0o644)
        self.assertEqual(self.blob, readKeyPair(str(self.path)).blob)

    def test_missing(self) -> None:
        """Without any file, that is one sentence."""
        error = self.assertRaises(BadValue, readKeyPair, str(self.path))
        self.assertEqual("no such file", str(error))

    def test_noKey(self) -> None:
        """A file without a key is one sentence."""
        self.write(b"hello\n")
        error = self.assertRaises(BadValue, readKeyPair, str(self.path))
        self.assertEqual("it does not contain an SSH key", str(error))
