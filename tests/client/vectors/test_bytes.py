"""
The bytes of C{bytes.json}, which a client in any language can be compared with. All bytes in it are
hex digits.
"""

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.agentwire import (
    frame,
    makeListRequest,
    makeSignRequest,
    parseKeyList,
    parseSignature,
)
from pkdoors.knocks import seal
from pkdoors.knocks.knock import makePlainKnock
from pkdoors.knocks.seal import (
    Statement,
    hintOf,
    makeMessage,
    makeNonce,
    makeSignedData,
    parseSealed,
)
from pkdoors.knocks.signatures import isGood
from pkdoors.knocks.signatures import loadKey as loadPublic
from pkdoors.model.sequence import Sequence
from tests.client.vectors.world import SEED, loadKey

BYTES: dict[str, Any] = json.loads(Path(__file__).with_name("bytes.json").read_text())
SEQUENCE = Sequence.parse(BYTES["sequence"])


class ByteTests(SynchronousTestCase):
    """The bytes, made again."""

    def test_key(self) -> None:
        """The key, the nonce and the hint."""
        self.assertEqual(SEED.hex(), BYTES["seed"])
        blob = bytes.fromhex(BYTES["publicKey"])
        self.assertEqual(loadKey().blob(), blob)
        self.patch(seal, "urandom", lambda size: bytes.fromhex(BYTES["random"])[:size])
        nonce = makeNonce(blob, BYTES["stamp"])
        self.assertEqual((BYTES["nonce"], BYTES["hint"]), (nonce, hintOf(blob, nonce)))

    def test_sealed(self) -> None:
        """Statement, message, signed data, signature and datagram."""
        for name in ("sealed", "close", "bound"):
            vector = BYTES[name]
            statement = Statement(
                door="web",
                seconds=vector["seconds"],
                stamp=BYTES["stamp"],
                nonce=BYTES["nonce"],
                hint=BYTES["hint"],
                bind=vector["bind"],
                close=name == "close",
            )
            text = statement.encode()
            self.assertEqual(vector["statement"], text.decode())
            self.assertEqual(vector["message"], makeMessage(text, SEQUENCE).decode())
            data = makeSignedData(text, SEQUENCE)
            self.assertEqual(vector["signedData"], data.hex())
            signature = loadKey().sign(data)
            self.assertEqual(vector["signature"], signature.hex())
            self.assertEqual(vector["datagram"], (text + signature).hex())
            sealed = parseSealed(text + signature)
            self.assertEqual((statement, signature), (sealed.statement, sealed.signature))
            public = loadPublic(bytes.fromhex(BYTES["publicKey"]))
            self.assertTrue(isGood(public, signature, data))

    def test_plain(self) -> None:
        """Plain knocks."""
        for seconds, datagram in BYTES["plain"].items():
            self.assertEqual(datagram, makePlainKnock(int(seconds)).hex())

    def test_agent(self) -> None:
        """Questions to the agent, as they are sent, and its answers."""
        blob = bytes.fromhex(BYTES["publicKey"])
        vector = BYTES["agent"]
        self.assertEqual(vector["list"], frame(makeListRequest()).hex())
        self.assertEqual([blob], parseKeyList(bytes.fromhex(vector["keys"])[4:]))
        data = bytes.fromhex(BYTES["sealed"]["signedData"])
        self.assertEqual(vector["sign"], frame(makeSignRequest(blob, data)).hex())
        signature = parseSignature(bytes.fromhex(vector["signed"])[4:])
        self.assertEqual(BYTES["sealed"]["signature"], signature.hex())
