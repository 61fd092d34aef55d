"""Tests of how much is done in one turn: L{pkdoors.admin.responses}."""

from dataclasses import dataclass
from typing import Any

from pkdoors.admin import _eventstream, _resources
from pkdoors.admin._eventstream import encodeEvent
from pkdoors.admin._resources import SLICES_PER_TURN
from pkdoors.admin.channel import REQUESTS_PER_TURN
from pkdoors.admin.records import LazyRecords
from pkdoors.admin.responses import SLICE_RECORDS
from pkdoors.events.history import PastEvent
from tests.admin.case import StatusTestCase, goAway
from tests.fakes.reactor import FakeThreadPool


@dataclass(frozen=True, slots=True)
class Numbered:
    """One of many records."""

    number: int


@dataclass(frozen=True, slots=True)
class LongRecord:
    """An answer with a long list, and an empty one."""

    a: int
    openings: LazyRecords[int, Numbered]
    empty: LazyRecords[int, Numbered]
    b: dict[str, int]


class TurnTests(StatusTestCase):
    """Tests of how much is done in one reactor turn."""

    def records(self, count: int) -> LazyRecords[int, Numbered]:
        """Return a long list of records, which are counted as they are made."""

        def make(number: int) -> Numbered:
            self.made += 1
            return Numbered(number)

        return LazyRecords(make, range(count))

    def setUp(self) -> None:
        """Use a daemon with very many openings."""
        super().setUp()
        self.made = self.begun = 0
        self.serve(self.status)

    def status(self) -> LongRecord:
        """Return a status with a new list."""
        self.begun += 1
        return LongRecord(1, self.records(1000), self.records(0), {})

    def steps(self, count: int = 1) -> None:
        """Give the reactor some turns; none makes more than is allowed."""
        for _ in range(count):
            before = self.made
            self.oneTurn()
            self.assertLessEqual(self.made - before, SLICES_PER_TURN * SLICE_RECORDS)

    def test_slices(self) -> None:
        """A long answer is made in slices, and is complete in the end."""
        transport = self.askStatus()
        self.assertLessEqual(self.made, SLICES_PER_TURN * SLICE_RECORDS)
        self.steps(20)
        _, _, body = transport.value().partition(b"\r\n\r\n")
        items = ", ".join(f'{{"number": {number}}}' for number in range(1000))
        expected = f'{{"a": 1, "openings": [{items}], "empty": [], "b": {{}}}}\n'
        self.assertEqual(expected, body.decode())

    def test_shared(self) -> None:
        """Clients share an answer if it was begun after their requests; one is made at a time."""
        first = [self.askStatus() for _ in range(REQUESTS_PER_TURN)]
        self.steps(3)
        later = [self.askStatus() for _ in range(100)]
        self.steps(100)
        for transport in (*first, *later):
            self.assertIn(b"200 OK", transport.value())
        self.assertLess(self.begun, 8)

    def test_failure(self) -> None:
        """A failure is the answer for all clients that share it; the next answer is made afresh."""
        whole, works = self.status, [True, False, False, False]  # the last one first

        def status() -> LongRecord:
            if not works.pop():
                raise KeyError
            return whole()

        self.serve(status)
        asking = [self.askStatus() for _ in range(3)]
        self.steps(10)
        self.assertTrue(all(b" 500 " in transport.value() for transport in asking))
        self.assertTrue(self.flushLoggedErrors(KeyError))
        again = self.askStatus()
        self.steps(30)
        self.assertIn(b" 200 ", again.value())

    def test_pipelined(self) -> None:
        """Of pipelined requests, only some are answered in a turn, in order."""
        channel, transport = self.connect()
        channel.dataReceived(
            b"".join(b"GET /%d HTTP/1.1\r\nHost: pkdoors\r\n\r\n" % number for number in range(500))
        )
        answered = 0
        for _ in range(500):
            before, answered = answered, transport.value().count(b" 404 ")
            self.assertLessEqual(answered - before, REQUESTS_PER_TURN)
            self.oneTurn()
        self.assertEqual(500, transport.value().count(b" 404 "))
        places = [transport.value().index(b"'/%d'" % number) for number in range(500)]
        self.assertEqual(sorted(places), places)

    def test_pipelinedUnread(self) -> None:
        """While one is answered, hardly any of the next is read."""
        channel, transport = self.connect()
        request = b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n\r\n"
        channel.dataReceived(request)
        self.assertEqual("producing", transport.producerState)
        channel.dataReceived(request)
        self.assertEqual("paused", transport.producerState)
        self.steps(100)
        self.assertEqual("producing", transport.producerState)
        self.assertEqual(2, transport.value().count(b"200 OK"))

    def test_manyConnections(self) -> None:
        """It does not matter over how many connections requests come."""
        transports = []
        for _ in range(100):
            channel, transport = self.connect()
            channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            transports.append(transport)
        answered = 0
        for _ in range(100):
            before, answered = answered, sum(bool(transport.value()) for transport in transports)
            self.assertLessEqual(answered - before, REQUESTS_PER_TURN)
            self.oneTurn()
        self.assertEqual(100, answered)

    def test_goneMeanwhile(self) -> None:
        """A client that goes away before its turn does no harm."""
        channels = []
        for _ in range(20):
            channel, _ = self.connect()
            channel.dataReceived(b"DELETE /openings HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            channels.append(channel)
        for channel in channels:
            goAway(channel)
        self.turn()
        self.assertLessEqual(len(self.operations.asked), REQUESTS_PER_TURN)
        self.assertEqual([], self.log.lines())

    def test_reloads(self) -> None:
        """Clients that ask for a reload at once share a few, and only some are made in a turn."""
        transports = []
        for _ in range(50):
            channel, transport = self.connect()
            channel.dataReceived(b"POST /reload HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            transports.append(transport)
        for _ in range(50):
            before = len(self.operations.asked)
            self.oneTurn()
            self.assertLessEqual(len(self.operations.asked) - before, SLICES_PER_TURN)
        self.assertTrue(all(b"200 OK" in transport.value() for transport in transports))
        self.assertLess(len(self.operations.asked), 30)

    def test_metricsLoad(self) -> None:
        """The metrics library is loaded once, in a thread: knocks do not wait for it."""
        inThread: list[bool] = []

        class Pool(FakeThreadPool):
            def callInThreadWithCallback(self, *arguments: Any) -> None:
                inThread.append(True)
                super().callInThreadWithCallback(*arguments)
                inThread.append(False)

        def load() -> None:
            loaded.append(inThread[-1])

        loaded: list[bool] = []
        self.patch(self.reactor, "getThreadPool", Pool)
        self.patch(_resources, "loadFormat", load)
        for _ in range(2):
            channel, transport = self.connect()
            channel.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            self.turn()
            self.assertIn(b"200 OK", transport.value())
        self.assertEqual([True], loaded)

    def test_encodedOnce(self) -> None:
        """An event is encoded once, however many clients follow."""
        written: list[object] = []

        def encode(event: PastEvent) -> bytes:
            written.append(event)
            return encodeEvent(event)

        self.patch(_eventstream, "encodeEvent", encode)
        for _ in range(10):
            channel, _ = self.connect()
            channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn()
        self.operations.publish("anna")
        self.operations.publish("bob")
        self.assertEqual(2, len(written))
