"""Both drivers do as the vectors say: the blocking one, and the one with a reactor."""

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as globalReactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pkdoors.client.blocking import driver as blocking
from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.events import Planned, Traced
from pkdoors.client.core.methods import Method, PlainMethod, SealedMethod
from pkdoors.client.keys.signers import Identity
from pkdoors.client.reactor import driver as withReactor
from pkdoors.errors import KnockError
from pkdoors.knocks import seal
from pkdoors.knocks.wire import fingerprint
from pkdoors.model.knockports import KnockPort, TcpPort
from pkdoors.model.sequence import Sequence
from tests.client.names import FakeNames
from tests.client.vectors.attempts import VECTORS, Vector
from tests.client.vectors.test_bytes import BYTES
from tests.client.vectors.world import PORTS, PROTECTED, TCP_KNOCK, World, loadKey

reactor: Any = globalReactor
Trace = Callable[[Traced], None]
Perform = Callable[[Attempt, Callable[[str], None], Trace], Deferred[Outcome]]


def block(attempt: Attempt, say: Callable[[str], None], trace: Trace) -> Deferred[Outcome]:
    """Perform an attempt with the blocking driver, in a thread of its own."""

    def work() -> Outcome:
        outcome, connection = blocking.perform(attempt, say, trace)
        if connection:
            connection.close()
        return outcome

    return deferToThread(work)


def react(attempt: Attempt, say: Callable[[str], None], trace: Trace) -> Deferred[Outcome]:
    """Perform an attempt with the driver that has a reactor."""
    return Deferred.fromCoroutine(withReactor.perform(reactor, attempt, say, trace))


class VectorTests(TestCase):
    """Each vector, by each driver."""

    timeout = 120

    def makeMethod(self, vector: Vector, world: World) -> Method:
        """Return the method of a vector: with a stamp and a nonce that never change."""
        seconds = vector.options.get("seconds", 0.0)
        if vector.method in ("plain", "tcp"):
            more: tuple[KnockPort, ...] = (TcpPort(TCP_KNOCK),) if vector.method == "tcp" else ()
            interval = vector.options.get("interval", 0.002)
            return PlainMethod(Sequence((*PORTS, *more)), seconds, interval)
        return SealedMethod(
            sequence=Sequence(PORTS),
            door="web",
            seconds=seconds,
            close=vector.method == "close",
            bind="none",
            identity=Identity("agent", world.agentPath, self.fail),
            timeOfDay=lambda: BYTES["stamp"] / 1000,
            findLocalAddress=lambda address: address,
        )

    async def run_(self, vector: Vector, perform: Perform) -> tuple[Any, ...]:
        """Return what came of it: what was heard, connections, pauses, the end, the lines."""
        world = World(vector.opensAfter, vector.agent, vector.families)
        self.patch(seal, "urandom", lambda size: bytes.fromhex(BYTES["random"])[:size])
        names = FakeNames(self, *(world.addresses[family] for family in vector.families))
        self.assertEqual([], names.asked)
        fields = {"timeout": 30.0, "look": 0.0, **vector.options}
        for name in ("seconds", "interval"):
            fields.pop(name, None)
        port = PROTECTED if fields.pop("wait", False) else None
        attempt = Attempt("vector.example", self.makeMethod(vector, world), port=port, **fields)
        said: list[str] = []
        pauses: list[float] = []

        def trace(traced: Traced) -> None:
            if isinstance(traced, Planned):
                pauses.append(1000 * traced.plan.sendings[-1].pause)

        ends: tuple[Any, ...]
        try:
            done = await perform(attempt, said.append, trace)
        except KnockError as error:
            ends = type(error).__name__, self.general(str(error), world)
        else:
            answered = self.general(done.answered, world)
            knocked = tuple(self.general(each, world) for each in done.knocked)
            ends = knocked, answered, done.wasOpen, done.note
        finally:
            world.close()
        # While a door opens, the next try to connect can be under way before the first is answered.
        accepted = min(world.accepted, 1) if vector.opensAfter else world.accepted
        planned = None if vector.pauses is None else tuple(pauses)
        return world.heard, accepted, world.syns, planned, ends, tuple(said)

    def general(self, text: str | None, world: World) -> Any:
        """Return a text with names in place of what differs from run to run."""
        if text is None:
            return None
        key = fingerprint(loadKey().blob())
        for found, name in ((world.agentPath, "AGENT"), (key, "KEY")):
            text = text.replace(found, name)
        return text.replace(world.addresses[4], "HOST4")

    def expected(self, vector: Vector) -> tuple[Any, ...]:
        """Return what must come of it."""
        known = {name: bytes.fromhex(BYTES[name]["datagram"]) for name in ("sealed", "close")}
        hears = [known.get(each, each) if isinstance(each, str) else each for each in vector.hears]
        heard = {
            f"{family} {index}": [] if family in vector.deaf else [*hears]
            for family in vector.families
            for index in range(len(PORTS))
        }
        return heard, vector.connections, vector.syns, vector.pauses, vector.ends, vector.said

    async def check(self, perform: Perform) -> None:
        """Perform all vectors."""
        for vector in VECTORS:
            found = await self.run_(vector, perform)
            self.assertEqual(self.expected(vector), found, vector.name)

    async def test_blocking(self) -> None:
        """The blocking driver."""
        await self.check(block)

    async def test_reactor(self) -> None:
        """The driver with a reactor."""
        await self.check(react)
