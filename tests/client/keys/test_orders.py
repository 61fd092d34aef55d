"""Tests of L{pkdoors.client.keys.orders}: OpenSSH verifies what it signs, and the other way."""

import subprocess
from pathlib import Path
from shutil import which
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.client.core.methods import Signer
from pkdoors.client.keys._filesigner import FileSigner
from pkdoors.client.keys.orders import (
    MAX_TEXT,
    chooseSigner,
    readOrder,
    sealOrder,
    writeOrder,
)
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.order import Order, makeOrderData, parseOrder
from pkdoors.knocks.seal import frameMessage
from pkdoors.knocks.signatures import isGood
from tests.fakes.agent import SecurityKey, makeKey

FINGERPRINT = "SHA256:" + "A" * 43
ORDER = Order("prod", "ban", FINGERPRINT, 1_795_000_000_000, "00112233445566ff")
KINDS = ("ed25519", "ecdsa", "rsa")


class FakeSigner:
    """A key that is only chosen."""

    asksAgent, certificate = True, None

    def __init__(self, key: Any, needsTouch: bool = False) -> None:
        self.publicKey: bytes = key.blob()
        self.needsTouch = needsTouch

    async def sign(self, message: bytes, namespace: bytes = b"") -> bytes:
        """It does not sign."""
        raise KnockError("it does not sign")


def signerOf(key: Key) -> Signer:
    """What signs with a key."""
    return FileSigner(key._keyObject, key.public().blob())


class SealTests(SynchronousTestCase):
    """Orders are signed for their own purpose."""

    def seal(self, key: Key) -> bytes:
        """Seal the order."""
        return self.successResultOf(Deferred.fromCoroutine(sealOrder(ORDER, signerOf(key))))

    def test_good(self) -> None:
        """A key of each kind seals an order, which is no good as a knock."""
        for kind in KINDS:
            key = makeKey(kind)
            sealed = parseOrder(self.seal(key))
            self.assertEqual(ORDER, sealed.order)
            self.assertTrue(isGood(key.public(), sealed.signature, makeOrderData(sealed.text)))
            self.assertFalse(isGood(key.public(), sealed.signature, frameMessage(sealed.text)))

    def test_text(self) -> None:
        """It survives as text, with what mail and terminals do to a text."""
        key = makeKey("ed25519")
        sealed = self.seal(key)
        text = writeOrder(sealed, key.public().blob())
        self.assertTrue(text.startswith(f"pkdoors-order1 prod ban {FINGERPRINT} 1795"), text)
        self.assertTrue(max(map(len, text.splitlines())) < 120)
        for changed in (text, text.replace("\n", "\r\n"), f"\n  {text}\n\n", text.rstrip()):
            self.assertEqual(sealed, readOrder(changed.encode()))

    def test_notOne(self) -> None:
        """Anything else is one sentence."""
        key = makeKey("ed25519")
        text = writeOrder(self.seal(key), key.public().blob()).encode()
        other = text.replace(b"order1", b"order2")
        short = text[: text.index(b"-----END")]
        for wrong in (b"", b"\n", text[:40], other, short, text * 2, b"x" * MAX_TEXT, b"\xff" * 50):
            error = self.assertRaises(BadValue, readOrder, wrong)
            self.assertTrue(str(error).startswith("it is not a signed order: "), error)

    def test_opensshVerifies(self) -> None:
        """C{ssh-keygen -Y verify} finds the signature of an order good, for this purpose alone."""
        self.needOpenSSH()
        for kind in KINDS:
            key = makeKey(kind)
            public = key.public().toString("openssh").decode()
            text = writeOrder(self.seal(key), key.public().blob())
            first, _, rest = text.partition("\n")
            folder = Path(self.mktemp())
            folder.mkdir()
            (folder / "allowed").write_text(f"admin {public}\n")
            (folder / "sig").write_text(rest)
            for namespace, isVerified in (("order@pkdoors", True), ("knock@pkdoors", False)):
                argv = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "admin", "-s", "sig"]
                done = subprocess.run(
                    [*argv, "-n", namespace],
                    cwd=folder,
                    input=f"{first}\n".encode(),
                    capture_output=True,
                )
                self.assertEqual(isVerified, done.returncode == 0, done.stderr)

    def test_opensshSigns(self) -> None:
        """An order that C{ssh-keygen -Y sign} has signed is read and good."""
        self.needOpenSSH()
        folder = Path(self.mktemp())
        folder.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"])
        (folder / "order").write_bytes(ORDER.encode())
        argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", "order@pkdoors", "-f", "key", "order"]
        subprocess.run(argv, cwd=folder, check=True, capture_output=True)
        both = (folder / "order").read_bytes() + (folder / "order.sig").read_bytes()
        sealed = parseOrder(readOrder(both))
        key = Key.fromFile(str(folder / "key.pub"))
        self.assertTrue(isGood(key, sealed.signature, makeOrderData(ORDER.encode())))

    def needOpenSSH(self) -> None:
        """Skip the test without OpenSSH."""
        if which("ssh-keygen") is None:
            raise SkipTest("ssh-keygen is not installed")


class ChooseTests(SynchronousTestCase):
    """Which key signs an order."""

    def test_operator(self) -> None:
        """Of several keys, one of an operator does, if possible without a touch."""
        admin, user, touched = makeKey("ed25519"), makeKey("ed25519", 1), SecurityKey()
        found = [FakeSigner(user), FakeSigner(touched, True), FakeSigner(admin)]
        operators = [touched.blob(), admin.blob()]
        self.assertIs(found[2], chooseSigner(found, operators))
        self.assertIs(found[1], chooseSigner(found[:2], operators))

    def test_none(self) -> None:
        """Without one, the sentence names the keys that were there."""
        user = makeKey("ed25519", 1)
        error = self.assertRaises(KnockError, chooseSigner, [FakeSigner(user)], [])
        self.assertIn("none of your keys is an operator of the fleet (SHA256:", str(error))

    def test_unknown(self) -> None:
        """Where nobody knows the operators, one key will do; of several, the user must choose."""
        keys = [FakeSigner(makeKey("ed25519", number)) for number in range(2)]
        self.assertIs(keys[0], chooseSigner(keys[:1], None))
        error = self.assertRaises(KnockError, chooseSigner, keys, None)
        self.assertRegex(str(error), r"there are 2 keys \(SHA256:.*, SHA256:.*\), .* --identity FI")
