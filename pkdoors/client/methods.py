"""How the client knocks: plain or sealed."""

from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from pkdoors.client._localaddress import findLocalAddress
from pkdoors.client._plan import Sending, planPlain, planSealed
from pkdoors.client.binding import bindFor
from pkdoors.errors import KnockError
from pkdoors.knocks.knock import makePlainKnock
from pkdoors.knocks.seal import Statement, hintOf, makeNonce, makeSignedData, packCertificate
from pkdoors.model.sequence import Sequence

if TYPE_CHECKING:  # they load conch, which plain knocks do not need
    from pkdoors.client.keys.signers import Identity, Signer

Say = Callable[[str], None]
Planner = Callable[[str], Awaitable[Iterable[Sending]]]
"""Plans what to send to an address; it is called again for each knock."""


@dataclass(frozen=True, slots=True)
class PlainMethod:
    """
    A knock that is a sequence of datagrams.

    @ivar seconds: time to ask for; 0 for the door's own.
    @ivar interval: seconds between two datagrams.
    @cvar hintOnFailure: what to check if the port does not open.
    """

    sequence: Sequence
    seconds: float
    interval: float

    hintOnFailure = "the sequence is right"

    async def prepare(self, reactor: Any, say: Say) -> Planner:
        """Prepare everything that a knock needs."""
        datagram = makePlainKnock(ceil(self.seconds))

        async def plan(address: str) -> Iterable[Sending]:
            return planPlain(self.sequence, datagram, self.interval)

        return plan

    def describe(self, host: str) -> str:
        """Describe to the user what was done."""
        return f"knocked on {host}"


@dataclass(frozen=True, slots=True)
class SealedMethod:
    """
    A knock that a key seals.

    @ivar seconds: time to ask for; 0 for the door's own.
    @ivar close: whether to ask the host to close the door instead.
    @ivar bind: see L{bindFor}.
    @ivar recipient: the address to open for instead of this host's; empty for this host's.
    @ivar timeOfDay: seconds since 1970.
    @ivar findLocalAddress: finds the address that datagrams to a destination leave from.
    @cvar hintOnFailure: what to check if the port does not open.
    """

    sequence: Sequence
    door: str
    seconds: float
    close: bool
    bind: str
    identity: "Identity"
    timeOfDay: Callable[[], float]
    findLocalAddress: Callable[[str], str] = findLocalAddress
    recipient: str = ""

    hintOnFailure = "sequence, door, key and both clocks are right"

    async def prepare(self, reactor: Any, say: Say) -> Planner:
        """
        Prepare everything that a knock needs. No passphrase is asked for after this.

        @raise KnockError: there is no key.
        """
        await self.identity.findSigners(reactor, say)

        async def plan(address: str) -> Iterable[Sending]:
            bind = self.recipient or bindFor(self.bind, address, self.findLocalAddress)
            signers = await self.identity.findSigners(reactor, say)
            return planSealed(self.sequence, await self._sealWithAll(signers, bind, say))

        return plan

    def describe(self, host: str) -> str:
        """Describe to the user what was done."""
        if self.recipient:
            return f"asked {host} to {'close' if self.close else 'open'} for {self.recipient}"
        return f"asked {host} to close" if self.close else f"knocked on {host}"

    async def _sealWithAll(self, signers: Items["Signer"], bind: str, say: Say) -> list[bytes]:
        """
        Return the knocks of all keys that sign; if only some do not sign, that does not matter.
        """
        made: list[bytes] = []
        for signer in signers:
            if signer.needsTouch:
                say("touch the security key")
            try:
                made.append(await self._seal(signer, bind))
            except KnockError:
                if signer is signers[-1] and not made:
                    raise
        return made

    async def _seal(self, signer: "Signer", bind: str) -> bytes:
        stamp, certificate = int(self.timeOfDay() * 1000), signer.certificate
        nonce = makeNonce(signer.publicKey, stamp)
        text = Statement(
            door=self.door,
            seconds=ceil(self.seconds),
            stamp=stamp,
            nonce=nonce,
            hint=hintOf(certificate.authority if certificate else signer.publicKey, nonce),
            bind=bind,
            close=self.close,
        ).encode()
        blob = certificate.blob if certificate else b""
        signature = await signer.sign(makeSignedData(text, self.sequence, blob))
        return text + packCertificate(blob) + signature
