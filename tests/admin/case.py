"""A site of the admin interface over transports in memory."""

import json
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel

from pkdoors.admin._resources import makeSite
from pkdoors.doorkeeper.openings.state import Count, Snapshot
from pkdoors.events.counters import Counters
from pkdoors.events.event import OPENED
from pkdoors.events.publisher import EventPublisher, Follower
from pkdoors.model.principal import Principal
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

ANN = "192.0.2.7"
DOOR = makeDoor(name="ssh")


@dataclass(frozen=True, slots=True)
class AskedRecord:
    """An answer that repeats the question."""

    asked: tuple[Any, ...]


class FakeOperations:
    """
    A daemon that notes what it is asked.

    @ivar asked: the operations so far, with their arguments.
    @ivar error: its answer, if it is not L{None}.
    @ivar waiting: its answers wait for this, if it is not L{None}.
    @ivar followers: the number of followers.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.publisher = EventPublisher(lambda: 1_795_420_800.0)
        self.history = self.publisher.history
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.waiting: Deferred[None] | None = None
        self.followers = 0

    def _answer(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if self.error:
            raise self.error
        return AskedRecord(asked)

    def state(self) -> Snapshot:
        """See L{AdminOperations.state}."""
        return Snapshot(0.0, 0.0, (DOOR,), {DOOR.name: Count(0, 0, 0)}, {})

    async def status(self, **selection: Any) -> Any:
        """See L{AdminOperations.status}."""
        return self._answer("status", *selection.items())

    async def openings(self, **selection: Any) -> Any:
        """See L{AdminOperations.openings}."""
        return self._answer("openings", *selection.items())

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> Any:
        """See L{AdminOperations.open}."""
        if self.waiting:
            await self.waiting
        return self._answer("open", source, door, seconds)

    async def close(self, door: str = "", source: str = "", limit: int | None = None) -> Any:
        """See L{AdminOperations.close}."""
        return self._answer("close", door, source, *([] if limit is None else [limit]))

    async def reload(self) -> Any:
        """See L{AdminOperations.reload}."""
        return self._answer("reload")

    async def rates(self) -> Any:
        """See L{AdminOperations.rates}."""
        return self._answer("rates")

    def follow(self, follower: Follower) -> Callable[[], None]:
        """See L{AdminOperations.follow}."""
        end, self.followers = self.publisher.follow(follower), self.followers + 1

        def unfollow() -> None:
            self.followers -= 1
            end()

        return unfollow

    def publish(self, name: str = "anna") -> None:
        """Publish an event about somebody."""
        self.publisher.publish(
            OPENED, door=DOOR, source=ANN, seconds=30.0, who=Principal(name, "SHA256:x")
        )


class Connection(StringTransport):
    """
    A connection that pauses its producer while the other side does not read, as TCP does.

    @ivar isFull: whether the other side does not read.
    @ivar aborts: how often it was aborted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.isFull = False
        self.aborts = 0
        self.descriptor = 7

    def fileno(self) -> int:
        """See L{twisted.internet.interfaces.IFileDescriptor}."""
        return self.descriptor

    def write(self, data: bytes) -> None:
        """See L{twisted.internet.interfaces.ITransport}."""
        super().write(data)
        if self.isFull and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """See L{twisted.internet.interfaces.ITransport}."""
        self.write(b"".join(data))

    def readAgain(self) -> None:
        """Let the other side read again."""
        assert self.producer is not None
        self.producer.resumeProducing()

    def abortConnection(self) -> None:
        """See L{ITCPTransport}. The connection is lost in the reactor's next turn, not now."""
        self.aborts += 1


def goAway(channel: HTTPChannel) -> None:
    """Have the other side close the connection."""
    channel.connectionLost(Failure(ConnectionDone()))


class AdminTestCase(SynchronousTestCase):
    """Has a site."""

    def setUp(self) -> None:
        """Make the site."""
        self.log = Log(self)
        self.reactor = FakeReactor()
        self.operations = FakeOperations()
        self.site = makeSite(self.reactor, self.operations)

    def connect(self) -> tuple[Any, Connection]:
        """Connect a client."""
        channel: Any = self.site.buildProtocol(None)
        transport = Connection()
        channel.makeConnection(transport)
        return channel, transport

    def send(self, method: str, path: str, body: bytes | None = None) -> Connection:
        """Connect a client, and send a request."""
        channel, transport = self.connect()
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: pkdoors\r\n{length}\r\n"
        channel.dataReceived(head.encode() + (body or b""))
        self.turn()
        return transport

    def turn(self, count: int = 10) -> None:
        """Give the reactor some turns."""
        for _ in range(count):
            self.reactor.advance(0)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request, and return the status and the JSON of the answer."""
        data = None if body is None else body if isinstance(body, bytes) else encode(body)
        head, content = self.raw(method, path, data)
        self.assertIn("content-type: application/json", head.lower())
        self.assertEqual(1, content.count("\n"), content)
        return int(head.split()[1]), json.loads(content)

    def raw(self, method: str, path: str, data: bytes | None = None) -> tuple[str, str]:
        """Send a request, and return the head and the content of the answer."""
        head, _, rest = self.send(method, path, data).value().partition(b"\r\n\r\n")
        if b"chunked" in head:
            rest = b"".join(rest.split(b"\r\n")[1::2])
        return head.decode(), rest.decode()

    def refused(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Return the status and the sentence of a refusal; the daemon was not asked."""
        status, answer = self.ask(method, path, body)
        self.assertEqual(["error"], list(answer))
        self.assertEqual([], self.operations.asked)
        return status, answer["error"]


class StatusTestCase(AdminTestCase):
    """Has a site whose daemon has another status."""

    def serve(self, status: Callable[[], object]) -> None:
        """Use this status."""
        self.patch(self.operations, "status", status)
        self.site = makeSite(self.reactor, self.operations)

    def askStatus(self, isFull: bool = False) -> Connection:
        """Connect a client that asks for the status, and reads it or does not."""
        channel, transport = self.connect()
        transport.isFull = isFull
        channel.dataReceived(b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        return transport

    def oneTurn(self) -> None:
        """Give the reactor one turn; a fake clock would do all turns in one."""
        now = self.reactor.seconds()
        due = [call for call in self.reactor.calls if call.time <= now]
        for call in due:
            self.reactor.calls.remove(call)
            call.called = True
            call.func(*call.args, **call.kw)


def encode(body: object) -> bytes:
    """Return a body of JSON."""
    return json.dumps(body).encode()


def leave(transport: Connection) -> "weakref.ref[Any]":
    """Have the other side close a connection on which something is sent; return what sent it."""
    channel: Any = transport.producer
    sender = weakref.ref(channel._requestProducer)
    goAway(channel)
    # Twisted's own connections forget both of these.
    transport.producer = channel._requestProducer = None
    return sender
