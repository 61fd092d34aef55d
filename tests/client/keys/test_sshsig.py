"""Tests of L{pkdoors.client.keys._sshsig}."""

import random
from base64 import b64encode

from twisted.conch.ssh.common import NS
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.keys._sshsig import parseFileSignature
from pkdoors.errors import BadValue
from pkdoors.knocks.seal import NAMESPACE

KEY, SIGNATURE = b"the key", b"the signature"
PARTS = (KEY, NAMESPACE, b"", b"sha512", SIGNATURE)


def armour(parts: tuple[bytes, ...] = PARTS, version: int = 1, end: bytes = b"") -> bytes:
    """Return a signature as ssh-keygen writes it."""
    body = b64encode(b"SSHSIG" + version.to_bytes(4) + b"".join(map(NS, parts)) + end)
    lines = b"".join(body[at : at + 70] + b"\n" for at in range(0, len(body), 70))
    return b"-----BEGIN SSH SIGNATURE-----\n" + lines + b"-----END SSH SIGNATURE-----\n"


class ParseTests(SynchronousTestCase):
    """
    Tests of L{parseFileSignature}.
    """

    def test_good(self) -> None:
        """The key and the signature are found, also with the line ends of Windows."""
        for data in (armour(), armour().replace(b"\n", b"\r\n"), b"\n" + armour().strip()):
            self.assertEqual((KEY, SIGNATURE), parseFileSignature(data))

    def wrong(self, data: bytes) -> str:
        """Return the sentence for a signature that is refused."""
        return str(self.assertRaises(BadValue, parseFileSignature, data))

    def test_malformed(self) -> None:
        """Anything else is one sentence."""
        for data in (
            b"",
            b"hello\n",
            armour()[:-5],
            armour()[5:],
            armour(PARTS[:4]),
            armour().replace(b"U1NI", b"U1NJ"),
            armour().replace(b"\n-----END", b"!\n-----END"),
            b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        ):
            self.assertEqual("its output is not a signature", self.wrong(data), data)

    def test_otherFormat(self) -> None:
        """So are another version, a reserved field that is used, and something at the end."""
        for data in (armour(version=2), armour(end=b"x"), armour((*PARTS[:2], b"x", *PARTS[3:]))):
            self.assertIn("a format that is not known", self.wrong(data))

    def test_otherPurpose(self) -> None:
        """A signature for a file, for another version of us, or with another hash is not sent."""
        for namespace, algorithm in ((b"file", b"sha512"), (NAMESPACE, b"sha256"), (b"", b"")):
            data = armour((KEY, namespace, b"", algorithm, SIGNATURE))
            self.assertIn("for another purpose, or with another hash", self.wrong(data))

    def test_garbage(self) -> None:
        """Whatever bytes change, nothing but that error is raised."""
        chance = random.Random(7)
        good = armour()
        for _ in range(2000):
            data = bytearray(good)
            for _ in range(chance.randrange(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                parseFileSignature(bytes(data))
            except BadValue as error:
                self.assertTrue(str(error).isprintable())
