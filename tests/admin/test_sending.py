"""Tests of L{Senders}: long answers to clients that do not read."""

import gc
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pkdoors.admin import responses
from pkdoors.admin.responses import MAX_BODIES, READ_TIMEOUT, SLICE_BYTES, Senders
from tests.admin.case import Connection, StatusTestCase, leave


@dataclass(frozen=True, slots=True)
class TextRecord:
    """An answer with a long text."""

    long: str


class SendingTests(StatusTestCase):
    """Tests of long answers to clients that do not read."""

    def setUp(self) -> None:
        """Use a long status."""
        super().setUp()
        self.serve(lambda: TextRecord("x" * 10 * SLICE_BYTES))

    def askLong(self, isFull: bool) -> Connection:
        """Connect a client that asks for a long answer, and reads it or does not."""
        transport = self.askStatus(isFull)
        self.turn()
        return transport

    def test_slowly(self) -> None:
        """A client that reads gets the whole answer, no faster than it reads."""
        transport = self.askLong(True)
        self.assertLess(len(transport.value()), 2 * SLICE_BYTES)
        for _ in range(20):
            transport.readAgain()
        self.assertEqual(b'x"}\n', transport.value()[-4:])
        self.reactor.advance(READ_TIMEOUT - 1)
        self.assertEqual(0, transport.aborts)

    def test_never(self) -> None:
        """A client that does not is dropped after a while, however much it read meanwhile."""
        transport = self.askLong(True)
        self.reactor.advance(READ_TIMEOUT / 2)
        transport.readAgain()
        self.reactor.advance(READ_TIMEOUT / 2)
        self.assertEqual((1, []), (transport.aborts, self.log.lines()))

    def test_gone(self) -> None:
        """A long answer is freed without Python's collector if its client has gone."""
        gc.disable()
        self.addCleanup(gc.enable)
        self.assertIsNone(leave(self.askLong(True))())

    def test_bodies(self) -> None:
        """The number of answers in memory is bounded: the clients of the oldest are dropped."""
        lazy = [self.askLong(True) for _ in range(MAX_BODIES)]
        self.assertEqual(0, sum(transport.aborts for transport in lazy))
        later = [self.askLong(True), self.askLong(True)]
        self.assertEqual([1, 1, 0], [transport.aborts for transport in lazy[:3]])
        self.assertEqual(0, sum(transport.aborts for transport in later))
        self.assertIn(b'x"}\n', self.askLong(False).value())

    def test_bytes(self) -> None:
        """So is their size: few very long answers are enough, though one may have any size."""
        self.patch(responses, "MAX_TOTAL", 25 * SLICE_BYTES)
        lazy = [self.askLong(True) for _ in range(3)]
        self.assertEqual([1, 0, 0], [transport.aborts for transport in lazy])
        self.patch(responses, "MAX_TOTAL", SLICE_BYTES)
        later = self.askLong(True)
        self.assertEqual([1, 1, 1], [transport.aborts for transport in lazy])
        self.assertEqual(0, later.aborts)

    def test_quick(self) -> None:
        """When the whole answer is sent, no timeout is left."""
        self.askLong(False)
        calls = [getattr(call.func, "__name__", "") for call in self.reactor.calls]
        self.assertNotIn("drop", calls)

    def test_sharedBody(self) -> None:
        """An answer for many clients counts once; when it is the oldest, all are dropped."""
        senders = Senders()
        requests: list[Any] = [UnreadRequest() for _ in range(50)]
        body = b"x" * 2 * SLICE_BYTES
        for request in requests[:-MAX_BODIES]:
            senders.send(request, body)
        for number, request in enumerate(requests[-MAX_BODIES:]):
            self.assertEqual(0, sum(request.aborts for request in requests))
            senders.send(request, body + b"%d" % number)
        self.assertEqual(
            [1] * (50 - MAX_BODIES) + [0] * MAX_BODIES, [request.aborts for request in requests]
        )


class UnreadRequest(Clock):
    """A request, with its channel and transport, of a client that reads nothing."""

    producer: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.channel = self.transport = self
        self.aborts = 0

    def notifyFinish(self) -> Deferred[None]:
        """See L{twisted.web.http.Request}."""
        return Deferred()

    def registerProducer(self, producer: Any, isStreaming: bool) -> None:
        """See L{twisted.web.http.Request}."""
        self.producer = producer

    def write(self, data: bytes) -> None:
        """See L{twisted.web.http.Request}."""
        self.producer.pauseProducing()

    def abortConnection(self) -> None:
        """See L{twisted.internet.interfaces.ITCPTransport}."""
        self.aborts += 1
