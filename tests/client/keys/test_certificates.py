"""Tests of certificates in L{pkdoors.client.keys}: which ones are sent, and with which keys."""

from base64 import b64encode
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from pkdoors.client.core.methods import Signer
from pkdoors.client.keys._certificates import checkCertificate, parseCertificateFile
from pkdoors.client.keys.signers import Identity
from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import parseCertificate
from pkdoors.knocks.seal import LONGEST_STATEMENT, MAX_CERTIFIED, frameMessage, packCertificate
from pkdoors.knocks.signatures import isGood, loadKey
from pkdoors.knocks.wire import longestSignature
from tests.client.keys.test_agent import DATA, KEYS, AgentTestCase
from tests.client.keys.test_formats import PKCS8, encode, publicLine
from tests.fakes.agent import SOCKET, SecurityKey
from tests.fakes.log import useUTC
from tests.lab import sealing
from tests.lab.sealing import certificate, makeKey

CA, EVE = makeKey(), makeKey()
NOW = 1_800_000_000
ANNA = KEYS[0]
CERTIFICATE = certificate(CA, ANNA)


def line(blob: bytes) -> bytes:
    """Return a certificate in the form of a file."""
    kind = blob[4 : 4 + int.from_bytes(blob[:4])]
    return kind + b" " + b64encode(blob) + b" anna\n"


class CertificateTestCase(AgentTestCase):
    """A test with a private key, and room for its certificate."""

    def setUp(self) -> None:
        """Write the key."""
        super().setUp()
        useUTC(self)
        self.path = Path(self.mktemp())
        self.beside = Path(f"{self.path}-cert.pub")
        self.write(encode(ANNA))

    def write(self, data: bytes) -> None:
        """Write the key's file."""
        self.path.write_bytes(data)
        self.path.chmod(0o600)

    def signers(
        self, path: object = None, agentPath: str = ""
    ) -> Coroutine[Deferred[Any], Any, list[Signer]]:
        """Return the signers of the key, or of another path."""
        identity = Identity(str(path or self.path), agentPath, lambda _: b"right", lambda: NOW)
        return identity.findSigners(self.tools())

    def find(self, path: object = None, agentPath: str = "") -> list[bytes | None]:
        """Return the certificates that are sent, in order; each signer must be able to sign."""
        signers = self.wait(self.signers(path, agentPath))
        for signer in signers:
            made = self.wait(signer.sign(DATA))
            self.assertTrue(isGood(loadKey(signer.publicKey), made, frameMessage(DATA)))
            if signer.certificate is not None:
                self.assertEqual(signer.publicKey, signer.certificate.key)
        return [signer.certificate.blob if signer.certificate else None for signer in signers]


class FileTests(CertificateTestCase):
    """
    Certificates in files.
    """

    def test_beside(self) -> None:
        """The certificate beside a key is sent first, then the key by itself."""
        self.beside.write_bytes(line(CERTIFICATE))
        self.assertEqual([CERTIFICATE, None], self.find())
        self.assertEqual([], self.said)

    def test_none(self) -> None:
        """Without one, or with a damaged one, the key is used as before."""
        self.assertEqual([None], self.find())
        for data in (b"", b"hello", line(CERTIFICATE[:-1]), publicLine(ANNA.blob())):
            self.beside.write_bytes(data)
            self.assertEqual([None], self.find())
        self.assertEqual([], self.said)

    def test_agentSigns(self) -> None:
        """The agent signs for a file's certificate if it holds the key, or only a certificate."""
        self.beside.write_bytes(line(CERTIFICATE))
        self.write(encode(ANNA, passphrase=b"other"))
        self.assertEqual([CERTIFICATE, None], self.find(agentPath=SOCKET))
        other = certificate(CA, ANNA, serial=8)
        self.fake.held = {other: ANNA}
        self.assertEqual([CERTIFICATE, None], self.find(agentPath=SOCKET))
        self.assertEqual([other, other], self.fake.signed[-2:])

    def test_asked(self) -> None:
        """A certificate that the user names is sent, and nothing else."""
        self.beside.write_bytes(line(CERTIFICATE))
        self.assertEqual([CERTIFICATE], self.find(self.beside))

    def test_askedWithAgent(self) -> None:
        """Its key can be in the agent alone."""
        self.path.unlink()
        self.beside.write_bytes(line(CERTIFICATE))
        self.assertEqual([CERTIFICATE], self.find(self.beside, SOCKET))
        self.assertIn("there is no SSH agent", self.wrong(self.signers(self.beside)))
        elsewhere = Path(self.mktemp())
        elsewhere.write_bytes(line(CERTIFICATE))
        self.assertEqual([CERTIFICATE], self.find(elsewhere, SOCKET))

    def test_public(self) -> None:
        """A public key that the user names is used by itself."""
        public = Path(f"{self.path}.pub")
        public.write_bytes(publicLine(ANNA.blob()))
        self.beside.write_bytes(line(CERTIFICATE))
        self.assertEqual([None], self.find(public, SOCKET))

    def test_pem(self) -> None:
        """A PEM file has its certificate beside it, too, and needs no public key."""
        self.write(encode(KEYS[2], PKCS8, b"right"))
        made = certificate(CA, KEYS[2])
        self.beside.write_bytes(line(made))
        self.assertEqual([made, None], self.find())

    def test_otherKey(self) -> None:
        """A certificate for another key is not sent, and the user hears it."""
        self.beside.write_bytes(line(certificate(CA, EVE)))
        self.assertEqual([None], self.find())
        what = "the certificate of anna@work, serial 7 is for another key"
        self.assertEqual([f"{what}: it is not sent"], self.said)
        self.assertEqual(f"{self.beside}: {what}", self.wrong(self.signers(self.beside)))

    def test_useless(self) -> None:
        """A certificate that no host accepts is not sent; asked for, that is one sentence."""
        for fields, flaw in (
            ({"before": NOW}, "expired 2027-01-15 08:00:00"),
            ({"after": NOW + 1}, "is not valid before 2027-01-15 08:00:01"),
            ({"kind": 2}, "is not for users, but for a host"),
            ({"principals": ()}, "has no principals, so it is for nobody"),
        ):
            self.said.clear()
            self.beside.write_bytes(line(certificate(CA, ANNA, **fields)))
            self.assertEqual([None], self.find())
            text = f"the certificate of anna@work, serial 7 {flaw}"
            self.assertEqual([f"{text}: it is not sent"], self.said)
            self.assertEqual(f"{self.beside}: {text}", self.wrong(self.signers(self.beside)))

    def test_renewed(self) -> None:
        """
        Each knock takes the newest certificate; the passphrase is asked for once. If there is only
        an old one, the user hears that once.
        """
        self.write(encode(ANNA, passphrase=b"right"))
        now, asked = [NOW], []

        def ask(prompt: str) -> bytes:
            asked.append(prompt)
            return b"right"

        identity = Identity(str(self.path), "", ask, lambda: now[0])

        def find() -> list[bytes | None]:
            signers = self.wait(identity.findSigners(self.tools()))
            return [each.certificate.blob if each.certificate else None for each in signers]

        first, second = (certificate(CA, ANNA, serial=n, before=NOW + 60 * n) for n in (1, 2))
        self.beside.write_bytes(line(first))
        self.assertEqual([first, None], find())
        self.beside.write_bytes(line(second))
        self.assertEqual([second, None], find())
        now[0] += 200
        for _ in range(2):
            self.assertEqual([None], find())
        (said,) = self.said
        self.assertIn("serial 2 expired", said)
        self.beside.write_bytes(line(CERTIFICATE))
        self.assertEqual([CERTIFICATE, None], find())
        self.assertEqual(1, len(asked))

    def test_askedExpires(self) -> None:
        """A certificate that the user named, and that expires, is reported once."""
        now = [NOW]
        self.beside.write_bytes(line(certificate(CA, ANNA, before=NOW + 60)))
        identity = Identity(str(self.beside), "", lambda _: b"", lambda: now[0])
        for now[0] in (NOW, NOW + 60, NOW + 70):
            signers = self.wait(identity.findSigners(self.tools()))
            self.assertEqual(1, len(signers))
        (said,) = self.said
        self.assertIn("expired 2027-01-15 08:01:00", said)

    def test_large(self) -> None:
        """A certificate that does not fit into a datagram is refused in one sentence."""
        made = certificate(makeKey("rsa4096"), ANNA)
        self.beside.write_bytes(line(made))
        found = self.wrong(self.signers(self.beside))
        size = LONGEST_STATEMENT + len(packCertificate(made)) + 83
        self.assertIn(
            f"serial 7 does not fit into one datagram ({size} bytes with its seal, "
            f"{MAX_CERTIFIED} are allowed): use ed25519",
            found,
        )


class SizeTests(CertificateTestCase):
    """
    Which certificates fit.
    """

    def test_signatures(self) -> None:
        """No signature is longer than is expected, and the expectation is close."""
        for kind in ("ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa", "rsa3072"):
            key = makeKey(kind)
            longest = longestSignature(key.public().blob())
            best = key.supportedSignatureAlgorithms()[0]
            sizes = [len(key.sign(b"%d" % number, best)) for number in range(40)]
            self.assertLessEqual(max(sizes), longest, kind)
            self.assertLessEqual(longest - max(sizes), 2, kind)
        for kind in ("ed25519", "ecdsa"):
            touched = sealing.SecurityKey(kind)
            sizes = [len(touched.sign(b"%d" % number)) for number in range(40)]
            self.assertLessEqual(max(sizes), longestSignature(touched.blob), kind)

    def test_usual(self) -> None:
        """Certificates of all usual kinds of keys fit, if an ed25519 key signs them."""
        extensions = tuple(
            (name, None)
            for name in (
                b"permit-X11-forwarding",
                b"permit-agent-forwarding",
                b"permit-port-forwarding",
                b"permit-pty",
                b"permit-user-rc",
            )
        )
        for kind in ("ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"):
            made = parseCertificate(certificate(CA, makeKey(kind), extensions=extensions))
            checkCertificate(made, NOW)
        for kind in ("rsa", "ecdsa521"):
            made = parseCertificate(certificate(makeKey(kind), ANNA, extensions=extensions))
            checkCertificate(made, NOW)


class AgentCertificateTests(CertificateTestCase):
    """
    Certificates that the agent holds.
    """

    def test_agent(self) -> None:
        """The agent's certificates are sent first, then its keys."""
        made = certificate(CA, KEYS[2])
        self.fake.held = {KEYS[2].blob(): KEYS[2], made: KEYS[2], ANNA.blob(): ANNA}
        self.assertEqual([made, None, None], self.find("agent", SOCKET))
        self.assertEqual([made, KEYS[2].blob(), ANNA.blob()], self.fake.signed)

    def test_useless(self) -> None:
        """Those that no host accepts are left out, with a line for each."""
        old = certificate(CA, ANNA, before=NOW)
        self.fake.held = {old: ANNA, ANNA.blob(): ANNA}
        self.assertEqual([None], self.find("agent", SOCKET))
        (said,) = self.said
        self.assertIn("expired 2027-01-15 08:00:00: it is not sent", said)
        self.fake.held = {old: ANNA}
        self.assertIn("no usable key", self.wrong(self.signers("agent", SOCKET)))

    def test_many(self) -> None:
        """An agent with very many of them gets few lines."""
        self.fake.held = {certificate(CA, ANNA, serial=n, kind=2): ANNA for n in range(200)}
        self.fake.held[ANNA.blob()] = ANNA
        self.assertEqual([None], self.find("agent", SOCKET))
        self.assertEqual("and 197 more certificates are not sent", self.said[-1])
        self.assertEqual(4, len(self.said))

    def test_securityKey(self) -> None:
        """The user must touch the key of a certificate, too."""
        key = SecurityKey()
        made = certificate(CA, key.blob())
        self.fake.held = {made: key}
        (signer,) = self.wait(self.signers("agent", SOCKET))
        self.assertTrue(signer.needsTouch)
        self.assertEqual([made], self.find("agent", SOCKET))

    def test_garbage(self) -> None:
        """A damaged certificate is left out."""
        self.fake.held = {CERTIFICATE[:-1]: ANNA, ANNA.blob(): ANNA}
        self.assertEqual([None], self.find("agent", SOCKET))
        self.assertIsNone(parseCertificateFile(b"x"))
        self.assertRaises(BadValue, parseCertificateFile, line(CERTIFICATE[:-1]))
