"""Tests of L{pkdoors.knocks.certificates}."""

import subprocess
from base64 import b64decode
from pathlib import Path

from cryptography.hazmat.primitives.serialization import SSHCertificate, load_ssh_public_identity
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import (
    FOREVER,
    Certificate,
    certificateTypes,
    isCertificate,
    parseCertificate,
)
from pkdoors.knocks.signatures import isIssued, loadKey
from tests.fakes.log import useUTC
from tests.lab.garbage import changed, spoiled
from tests.lab.sealing import SecurityKey, certificate, makeKey

CA, ANNA, EVE = makeKey(), makeKey(), makeKey()
NOW = 1_800_000_000


class ParseTests(SynchronousTestCase):
    """
    Reading certificates.
    """

    def test_fields(self) -> None:
        """Each field is read."""
        blob = certificate(
            CA,
            ANNA,
            serial=2**64 - 1,
            keyId=b"anna@work",
            principals=(b"anna", "büro".encode()),
            after=5,
            before=9,
            options=((b"a", None), (b"b", b"value")),
        )
        found = parseCertificate(blob)
        self.assertEqual(blob, found.blob)
        self.assertEqual(ANNA.public().blob(), found.key)
        self.assertEqual(CA.public().blob(), found.authority)
        self.assertEqual((2**64 - 1, 1, b"anna@work"), (found.serial, found.kind, found.rawKeyId))
        self.assertEqual({"anna", "büro"}, found.principals)
        self.assertEqual((5, 9), (found.after, found.before))
        self.assertEqual({b"a": b"", b"b": b"value"}, found.options)
        self.assertTrue(isIssued(found, CA.public()))

    def test_kinds(self) -> None:
        """Keys of all kinds can be certified, by keys of all kinds."""
        keys: list[object] = [makeKey(kind) for kind in ("ed25519", "rsa", "ecdsa521")]
        keys += [SecurityKey("ed25519"), SecurityKey("ecdsa")]
        for key in keys:
            blob = key.blob if isinstance(key, SecurityKey) else key.public().blob()  # type: ignore[attr-defined]
            named = parseCertificate(certificate(CA, blob))
            self.assertEqual(blob, named.key)
            self.assertTrue(isCertificate(named.blob))
            issued = certificate(
                key if not isinstance(key, SecurityKey) else blob, ANNA, signer=key
            )
            self.assertTrue(isIssued(parseCertificate(issued), loadKey(blob)))
        self.assertEqual(7, len(certificateTypes()))

    def test_sha1(self) -> None:
        """An RSA authority that signs with SHA-1 has certified nothing."""
        old = makeKey("rsa")
        with self.assertRaises(BadValue):
            parseCertificate(certificate(old, ANNA, algorithm=b"ssh-rsa"))

    def test_forged(self) -> None:
        """Nobody else can certify a key in the name of an authority."""
        forged = parseCertificate(certificate(CA, EVE, signer=EVE))
        self.assertFalse(isIssued(forged, CA.public()))
        self.assertFalse(isIssued(forged, EVE.public()))

    def test_authorityOfAnother(self) -> None:
        """A certificate that names another authority is not this one's, though this one signed."""
        self.assertFalse(isIssued(parseCertificate(certificate(EVE, ANNA, signer=CA)), CA.public()))

    def test_changed(self) -> None:
        """No byte of a certificate can be changed."""
        good = certificate(CA, ANNA)
        for bad in changed(good):
            try:
                found = parseCertificate(bad)
            except BadValue:
                continue
            self.assertFalse(isIssued(found, CA.public()))

    def test_garbage(self) -> None:
        """Whatever the bytes, nothing but the parser's own error is raised."""
        for bad in spoiled(certificate(CA, ANNA), 2000):
            isCertificate(bad)
            try:
                self.assertFalse(isIssued(parseCertificate(bad), CA.public()))
            except BadValue as error:
                self.assertNotIn("\n", str(error))

    def assertMalformed(self, blob: bytes) -> None:
        """Assert that it is not taken for a certificate."""
        with self.assertRaises(BadValue):
            parseCertificate(blob)

    def test_malformed(self) -> None:
        """A certificate is refused if it is not as OpenSSH makes it, though an authority signed."""
        many = tuple(b"%d" % number for number in range(257))
        for wrong in (
            {"keyId": b"an\0na"},
            {"principals": (b"an\0na",)},
            {"principals": (b"\xff",)},
            {"principals": many},
            {"options": ((b"b", None), (b"a", None))},
            {"options": ((b"a", None), (b"a", None))},
            {"extensions": ((b"a", None), (b"a", None))},
        ):
            self.assertMalformed(certificate(CA, ANNA, **wrong))
        self.assertMalformed(certificate(CA, ANNA) + b"\0")
        self.assertMalformed(ANNA.public().blob())
        self.assertMalformed(b"")

    def test_nested(self) -> None:
        """A certificate cannot certify keys, and cannot be certified."""
        inner = certificate(CA, ANNA)
        self.assertMalformed(certificate(inner, EVE, signer=ANNA))
        self.assertMalformed(certificate(CA, inner))

    def test_hugeLengths(self) -> None:
        """A length that is too large is not believed."""
        good = certificate(CA, ANNA, before=2**40)
        for at in range(len(good) - 4):
            bad = good[:at] + b"\xff\xff\xff\xff" + good[at + 4 :]
            try:
                found = parseCertificate(bad)
            except BadValue:
                continue
            self.assertFalse(isIssued(found, CA.public()))

    def test_oddOption(self) -> None:
        """An option whose value has something behind it is refused."""
        packed = NS(b"source-address") + NS(NS(b"10.0.0.0/8") + b"x")
        blob = certificate(CA, ANNA)
        start = blob.index(NS(b"") + NS(NS(b"permit-pty") + NS(b"")))
        self.assertMalformed(blob[:start] + NS(packed) + blob[start + 4 :])


class FlawTests(SynchronousTestCase):
    """
    When nobody can use a certificate.
    """

    def setUp(self) -> None:
        """Use UTC."""
        useUTC(self)

    def flaw(self, today: float = NOW, **fields: object) -> str:
        """Return the flaw of a certificate."""
        return parseCertificate(certificate(CA, ANNA, **fields)).findFlaw(today)  # type: ignore[arg-type]

    def test_good(self) -> None:
        """A certificate can be used from its first second on until just before its last."""
        self.assertEqual("", self.flaw())
        self.assertEqual("", self.flaw(after=NOW, before=NOW + 1))
        self.assertEqual("", self.flaw(NOW + 0.999, after=NOW, before=NOW + 1))
        self.assertEqual("", self.flaw(before=FOREVER))

    def test_expired(self) -> None:
        """It expires at the second that it names."""
        self.assertEqual("expired 2027-01-15 08:00:00", self.flaw(before=NOW))
        self.assertEqual("expired 2027-01-15 07:59:59", self.flaw(before=NOW - 1))

    def test_early(self) -> None:
        """It cannot be used before its first second."""
        reason = "is not valid before 2027-01-15 08:00:00"
        self.assertEqual(reason, self.flaw(NOW - 0.001, after=NOW))

    def test_never(self) -> None:
        """An interval that is empty or backwards is never valid."""
        for after, before in ((NOW, NOW), (NOW + 1, NOW - 1), (FOREVER, FOREVER), (FOREVER, 0)):
            self.assertEqual("is never valid", self.flaw(after=after, before=before))

    def test_distant(self) -> None:
        """A time that no calendar has can be described."""
        self.assertEqual("is not valid before the distant future", self.flaw(after=FOREVER - 1))

    def test_host(self) -> None:
        """Certificates of hosts and of unknown types are for nobody."""
        for kind in (0, 2, 3, 2**32 - 1):
            self.assertEqual("is not for users, but for a host", self.flaw(kind=kind))

    def test_describe(self) -> None:
        """The description has no characters that a log would not show."""
        bad = certificate(CA, ANNA, keyId=b"an\nna \x1b[31m(SHA256:x) \xff" + 100 * b"x")
        text = str(parseCertificate(bad))
        self.assertEqual(f"an_na _31m_SHA256:x_ _{42 * 'x'}, serial 7", text)
        nameless = parseCertificate(certificate(CA, ANNA, keyId=b"", serial=0))
        self.assertEqual("a certificate without a name, serial 0", str(nameless))


class OpenSshTests(SynchronousTestCase):
    """
    Certificates that C{ssh-keygen} makes.
    """

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def make(self, name: str, *kind: str) -> Path:
        """Make a key."""
        self.keygen("-q", "-t", *kind, "-N", "", "-C", name, "-f", name)
        return self.folder / name

    def keygen(self, *options: str) -> None:
        """Run C{ssh-keygen}, which must succeed."""
        subprocess.run(["ssh-keygen", *options], check=True, capture_output=True, cwd=self.folder)

    def sign(self, authority: str, name: str, *options: str) -> tuple[Certificate, SSHCertificate]:
        """Certify a key, and return the certificate as we and as cryptography read it."""
        self.keygen("-q", "-s", authority, "-I", "anna@x", *options, f"{name}.pub")
        line = (self.folder / f"{name}-cert.pub").read_bytes()
        theirs = load_ssh_public_identity(line)
        assert isinstance(theirs, SSHCertificate)
        return parseCertificate(b64decode(line.split()[1])), theirs

    def test_agrees(self) -> None:
        """We read the same as cryptography, for all kinds of keys, and accept the signatures."""
        kinds = {
            "ed": ("ed25519",),
            "p256": ("ecdsa", "-b", "256"),
            "p521": ("ecdsa", "-b", "521"),
            "rsa": ("rsa", "-b", "2048"),
        }
        for name, kind in kinds.items():
            self.make(name, *kind)
        options = ("-n", "anna,staff", "-z", "77", "-V", "20200101:20400101")
        limits = ("-O", "source-address=10.0.0.0/8,2001:db8::/32", "-O", "verify-required")
        for authority, name in (("ed", "rsa"), ("rsa", "p256"), ("p521", "ed"), ("p256", "p521")):
            ours, theirs = self.sign(authority, name, *options, *limits)
            self.assertEqual(
                (
                    theirs.serial,
                    theirs.type.value,
                    theirs.key_id,
                    sorted(theirs.valid_principals),
                    (theirs.valid_after, theirs.valid_before),
                    theirs.critical_options,
                    77,
                ),
                (
                    ours.serial,
                    ours.kind,
                    ours.rawKeyId,
                    sorted(name.encode() for name in ours.principals),
                    (ours.after, ours.before),
                    ours.options,
                    ours.serial,
                ),
            )
            theirs.verify_cert_signature()
            signer = Key.fromFile(str(self.folder / f"{authority}.pub"))
            self.assertTrue(isIssued(ours, signer))
            self.assertFalse(isIssued(ours, CA.public()))
            loadKey(ours.key)

    def test_forever(self) -> None:
        """Without an interval, a certificate is always valid; without names, it has none."""
        self.make("ca", "ed25519")
        self.make("user", "ed25519")
        ours, _ = self.sign("ca", "user")
        self.assertEqual((0, FOREVER, frozenset()), (ours.after, ours.before, ours.principals))
        self.assertEqual("has no principals, so it is for nobody", ours.findFlaw(NOW))

    def test_host(self) -> None:
        """A certificate of a host is for nobody."""
        self.make("ca", "ed25519")
        self.make("user", "ed25519")
        ours, _ = self.sign("ca", "user", "-h", "-n", "example.com")
        self.assertIn("for a host", ours.findFlaw(NOW))

    def test_sha1(self) -> None:
        """OpenSSH itself can still make signatures with SHA-1, which are refused."""
        self.make("ca", "rsa", "-b", "2048")
        self.make("user", "ed25519")
        with self.assertRaises(BadValue):
            self.sign("ca", "user", "-t", "ssh-rsa")
