"""How the client knocks: plain or sealed. Pure."""

from collections.abc import Awaitable, Callable
from collections.abc import Sequence as Items
from ipaddress import ip_address
from math import ceil
from typing import NamedTuple, Protocol, TypeVar

from pkdoors.client.core.agent import Ask
from pkdoors.client.core.binding import ANY, AUTO, bindFor
from pkdoors.client.core.events import Event, Learned, Sealing, Traced, ignore
from pkdoors.client.core.plan import INTERVAL, Plan, planPlain, planSealed
from pkdoors.client.core.stun import SCHEME, Exchange, learnAddress, parseServer
from pkdoors.errors import KnockError, NoKey
from pkdoors.knocks.certificates import Certificate
from pkdoors.knocks.knock import makePlainKnock
from pkdoors.knocks.seal import (
    NAMESPACE,
    Statement,
    hintOf,
    makeMessage,
    makeNonce,
    packCertificate,
)
from pkdoors.model.addresses import canonicalize
from pkdoors.model.sequence import Sequence

T = TypeVar("T")

PENALTY = 6.25
"""The longest time in seconds in which a host, unless its file has another C{penalty}, ignores a
network after knocks that were out of order."""


class Work(Protocol):
    """How a driver does what waits for a disk, another program or the user."""

    def __call__(
        self, call: Callable[[], T], stop: Callable[[], None] | None = None
    ) -> Awaitable[T]:
        """
        Call something, and return its result or raise its error.

        @param stop: makes the call end soon; it may be called from another thread.
        """


class Tools(NamedTuple):
    """
    What a driver lends to a method.

    @ivar ask: asks an SSH agent.
    @ivar work: calls what takes long; the driver with a reactor uses another thread.
    @ivar exchange: asks a STUN server.
    @ivar say: called with lines for the user about the progress.
    @ivar trace: called with each action before it is done, and with what happens, for a report.
    """

    ask: Ask
    work: Work
    exchange: Exchange
    say: Callable[[str], None]
    trace: Callable[[Traced], None] = ignore


class Signer(Protocol):
    """
    A key that can sign.

    @ivar publicKey: its SSH public key blob.
    @ivar certificate: the certificate to send with its seals; L{None} for none.
    @ivar needsTouch: whether the user must touch it for each signature.
    @ivar asksAgent: whether the SSH agent makes its signatures.
    """

    @property
    def publicKey(self) -> bytes: ...

    @property
    def certificate(self) -> Certificate | None: ...

    @property
    def needsTouch(self) -> bool: ...

    @property
    def asksAgent(self) -> bool: ...

    async def sign(self, message: bytes, namespace: bytes = NAMESPACE) -> bytes:
        """
        Return the signature blob over a message, see L{pkdoors.knocks.seal.frameMessage}.

        @param namespace: what the signature is for.

        @raise KnockError: it does not sign.
        """


class Identity(Protocol):
    """Which keys are to seal the knocks."""

    async def findSigners(self, tools: Tools) -> list[Signer]:
        """
        Return what signs. After the first call, no passphrase is asked for.

        @raise KnockError: nothing can sign.
        """


class Method(Protocol):
    """
    A way to knock.

    @ivar seconds: time to ask for; 0 for the door's own.
    @cvar hint: what to check if the port does not open.
    @cvar patience: seconds to wait for the port after a knock, unless the user decides.
    @cvar canClose: whether L{closing} has an effect.
    """

    @property
    def seconds(self) -> float: ...

    @property
    def hint(self) -> str: ...

    @property
    def patience(self) -> float: ...

    @property
    def canClose(self) -> bool: ...

    def describe(self, host: str) -> str:
        """Describe to the user what was done."""

    def closing(self) -> "Method":
        """Return the method that asks the host to close the door."""

    def hurried(self, interval: float) -> "Method":
        """
        Return the method with a faster first knock, which may fail: there is another try.

        @param interval: seconds between two datagrams if their order counts.
        """

    async def prepare(self, tools: Tools) -> None:
        """
        Prepare everything that a knock needs. No passphrase is asked for after this.

        @raise KnockError: there is no key.
        """

    async def asksAgent(self, tools: Tools) -> bool:
        """
        Return whether L{plan} will ask an SSH agent to sign. Then its user may let it wait.

        @raise KnockError: there is no key.
        """

    async def plan(self, address: str, tools: Tools, isFirst: bool) -> Plan:
        """
        Plan a new knock on an address.

        @param isFirst: whether it is the first try.
        @raise KnockError: no key signs.
        @raise OSError: there is no route to the address.
        """


async def prepareOnce(method: Method, tools: Tools) -> None:
    """
    Prepare a method before its first plan.

    @raise NoKey: there is no key.
    """
    try:
        await method.prepare(tools)
    except KnockError as error:
        raise NoKey(str(error)) from error


class PlainMethod(NamedTuple):
    """
    A knock that is a sequence of datagrams. See L{Method}.

    @ivar interval: seconds between two datagrams; L{None} if the user does not decide.
    @ivar firstInterval: the same for the first try, then.
    """

    sequence: Sequence
    seconds: float
    interval: float | None = None
    firstInterval: float = INTERVAL

    @property
    def hint(self) -> str:
        """See L{Method}."""
        return "the sequence is right"

    @property
    def patience(self) -> float:
        """Longer than L{PENALTY}."""
        return 7.0

    @property
    def canClose(self) -> bool:
        """A plain knock can only open a door."""
        return False

    def describe(self, host: str) -> str:
        """See L{Method.describe}."""
        return f"knocked on {host}"

    def closing(self) -> Method:
        """See L{Method.closing}."""
        return self

    def hurried(self, interval: float) -> Method:
        """See L{Method.hurried}."""
        return self._replace(firstInterval=interval)

    async def prepare(self, tools: Tools) -> None:
        """Nothing is needed."""

    async def asksAgent(self, tools: Tools) -> bool:
        """See L{Method.asksAgent}."""
        return False

    async def plan(self, address: str, tools: Tools, isFirst: bool) -> Plan:
        """See L{Method.plan}."""
        interval = self.interval
        if interval is None:
            interval = self.firstInterval if isFirst else INTERVAL
        return planPlain(self.sequence, makePlainKnock(ceil(self.seconds)), interval)


class SealedMethod(NamedTuple):
    """
    A knock that a key seals. See L{Method}.

    @ivar close: whether to ask the host to close the door instead.
    @ivar bind: see L{bindFor}.
    @ivar timeOfDay: seconds since 1970.
    @ivar findLocalAddress: finds the address that datagrams to a destination leave from.
    @ivar recipient: the address to open for instead of this host's; empty for this host's.
    """

    sequence: Sequence
    door: str
    seconds: float
    close: bool
    bind: str
    identity: Identity
    timeOfDay: Callable[[], float]
    findLocalAddress: Callable[[str], str]
    recipient: str = ""

    @property
    def hint(self) -> str:
        """See L{Method}."""
        return "sequence, door, key and both clocks are right"

    @property
    def patience(self) -> float:
        """See L{Method}."""
        return 5.0

    @property
    def canClose(self) -> bool:
        """See L{Method}."""
        return True

    def describe(self, host: str) -> str:
        """See L{Method.describe}."""
        if self.recipient:
            return f"asked {host} to {'close' if self.close else 'open'} for {self.recipient}"
        return f"asked {host} to close" if self.close else f"knocked on {host}"

    def closing(self) -> Method:
        """See L{Method.closing}."""
        return self._replace(close=True, seconds=0.0)

    def hurried(self, interval: float) -> Method:
        """All datagrams of a sealed knock leave at once, in any order."""
        return self

    async def prepare(self, tools: Tools) -> None:
        """See L{Method.prepare}."""
        await self.identity.findSigners(tools)

    async def asksAgent(self, tools: Tools) -> bool:
        """See L{Method.asksAgent}."""
        return any(signer.asksAgent for signer in await self.identity.findSigners(tools))

    async def plan(self, address: str, tools: Tools, isFirst: bool) -> Plan:
        """See L{Method.plan}."""
        bind = self.recipient or await self._findBind(address, tools)
        signers = await self.identity.findSigners(tools)
        return planSealed(self.sequence, await self._sealWithAll(signers, bind, tools))

    async def _findBind(self, address: str, tools: Tools) -> str:
        if not self.bind.startswith(SCHEME):
            return bindFor(self.bind, address, self.findLocalAddress)
        isGlobal = ip_address(canonicalize(address)).is_global
        if not isGlobal:  # the server is outside: it sees another address than a neighbour does
            return bindFor(AUTO, address, self.findLocalAddress)
        server = parseServer(self.bind)
        learned = await learnAddress(server, address, tools.exchange)
        if learned is not None:
            tools.trace(Learned(server, learned))
            return learned
        local = bindFor(AUTO, address, self.findLocalAddress)
        if local == ANY:  # the user asked for a bound knock
            raise KnockError(
                f"{server} has no IPv{6 if ':' in address else 4} address: use -4, -6, "
                "--bind ADDRESS or --bind none"
            )
        return local

    async def _sealWithAll(self, signers: Items[Signer], bind: str, tools: Tools) -> list[bytes]:
        """
        Return the knocks of all keys that sign; if only some do not sign, that does not matter.
        """
        made: list[bytes] = []
        for signer in signers:
            if signer.needsTouch:
                tools.say("touch the security key")
            try:
                made.append(await self._seal(signer, bind, tools.trace))
            except KnockError:
                if signer is signers[-1] and not made:
                    raise
        return made

    async def _seal(self, signer: Signer, bind: str, trace: Callable[[Event], None]) -> bytes:
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
        trace(Sealing(signer.publicKey, certificate is not None, text.decode("ascii")))
        signature = await signer.sign(makeMessage(text, self.sequence, blob))
        return text + packCertificate(blob) + signature
