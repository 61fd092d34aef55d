"""Tests of what the admin interface refuses, and of its bounds: L{pkdoors.admin}."""

import errno
import os
import resource
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from pkdoors.admin import _eventstream as stream
from pkdoors.admin import _resources as resources
from pkdoors.admin import _responses as answers
from pkdoors.admin import _sending as sending
from pkdoors.admin._browsers import SAFE_HEADERS, browserRefusal
from pkdoors.admin._channel import MAX_BODY, MAX_PIECES, PATIENCE
from pkdoors.admin._connections import INTERVAL, MAX_CONNECTIONS, RESERVE, Connections, Peer, peerOf
from pkdoors.admin._interface import Json
from pkdoors.admin._lazysite import AdminSite
from pkdoors.admin._port import MAX_ACCEPTS, PAUSE, AdminPort
from pkdoors.admin._resources import makeSite
from pkdoors.util.oneline import formatJSONLine
from tests.admin.test_admin import ANN, AdminTestCase, Connection, FakeSteering, goAway
from tests.fakes.log import Log
from tests.fakes.reactor import FakeThreadPool

ROOT, SERVICE = 0, 990


def ignore(work: Callable[[], None]) -> None:
    """What answers is never loaded."""


class BrowserTests(AdminTestCase):
    """
    Requests that a browser may have sent for somebody else's page.
    """

    def answer(self, *headers: str, request: str = "POST /reload HTTP/1.1") -> tuple[int, str]:
        """Status and whole answer of a request with these headers."""
        channel, transport = self.connect()
        channel.dataReceived("\r\n".join((request, *headers, "", "")).encode())
        self.turn()
        answer = transport.value().decode()
        return int(answer.split()[1]), answer

    def allowed(self, *headers: str, **more: str) -> None:
        """A request with these headers is done."""
        self.operations.asked.clear()
        self.assertEqual(200, self.answer(*headers, **more)[0], headers)
        self.assertEqual(1, len(self.operations.asked))

    def forbidden(self, *headers: str, status: int = 403, **more: str) -> None:
        """A request with these headers is refused, and the daemon is not asked."""
        self.operations.asked.clear()
        found, answer = self.answer(*headers, **more)
        self.assertEqual(status, found, (headers, answer))
        self.assertIn('{"error": "', answer)
        self.assertIn("\r\nConnection: close\r\n", answer)
        self.assertEqual([], self.operations.asked)

    def test_host(self) -> None:
        """Only names that nobody else's can be: else a page's own name may lead here."""
        for host in "pkdoors localhost LocalHost 127.0.0.1 [::1] localhost:8080 [::1]:1".split():
            self.allowed(f"Host: {host}")
        for host in (
            *("evil.example", "evil.example:8080", "localhost.evil.example", "pkdoors.evil"),
            *("xlocalhost", "localhost:", "localhost:80x", "localhost:8080@evil.example"),
            *("127a0.0.1", "127.0a0.1", "127.0.0a1"),
            *("127.0.0.1.nip.io", "127.0.0.2", "0.0.0.0", "::1", "[::]", "localhost evil", ""),
            *("localhost.", "localhost,evil.example", "http://localhost", "localhost:123456"),
        ):
            self.forbidden(f"Host: {host}")
        self.forbidden("Host: localhost", "\tevil.example")

    def test_hosts(self) -> None:
        """There is one, which a browser always sends; what speaks HTTP/1.0 is none."""
        self.forbidden("Host: localhost", "Host: localhost", status=400)
        self.forbidden("Host: evil.example", "Host: localhost", status=400)
        self.forbidden(status=400)
        self.allowed(request="POST /reload HTTP/1.0")
        self.forbidden("Host: evil.example", request="POST /reload HTTP/1.0")

    def test_origin(self) -> None:
        """A page may ask only the host and port that it came from."""
        self.allowed("Host: localhost:8080", "Origin: http://localhost:8080")
        for origin in (
            *("https://evil.example", "http://evil.example", "null", "", "file://"),
            *("http://localhost", "http://localhost:3000", "https://localhost:8080"),
            *("http://localhost:80800", "http://localhost:8080/", "http://127.0.0.1:8080"),
        ):
            self.forbidden("Host: localhost:8080", f"Origin: {origin}")
            self.forbidden("Host: localhost:8080", f"oRIGIN:{origin}")
        self.forbidden("Host: localhost", "Origin: http://localhost", "Origin: null")
        for host in ("pkdoors", "PKDOORS", "pkdoors:8080"):  # a name that a network may give out
            self.forbidden(f"Host: {host}", f"Origin: http://{host}")
        self.forbidden("Origin: http://localhost", request="POST /reload HTTP/1.0")

    def test_fetchSite(self) -> None:
        """A request of another page is refused, however near that is."""
        for site in ("same-origin", "none"):
            self.allowed("Host: pkdoors", f"Sec-Fetch-Site: {site}")
        for site in ("cross-site", "same-site", "", "new"):
            self.forbidden("Host: pkdoors", f"Sec-Fetch-Site: {site}")
        self.forbidden("Host: pkdoors", "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site")

    def test_everyPath(self) -> None:
        """So it is whatever is asked, also what there is not, before anything is read of a body."""
        for request in (
            *("GET /status", "GET /events", "GET /metrics", "GET /openings", "GET /nothing"),
            *("DELETE /openings", f"DELETE /openings/{ANN}", "OPTIONS /openings", "OPTIONS *"),
            *("HEAD /status", "POST /openings", "FROB /"),
        ):
            self.forbidden("Host: localhost", "Origin: null", request=f"{request} HTTP/1.1")
        length = "Content-Length: 4000"
        self.forbidden("Host: evil.example", length, request="POST /openings HTTP/1.1")
        self.assertEqual(0, self.operations.followers)

    def test_bodyType(self) -> None:
        """Nor is a body read that a form of any page can send; what curl sends is."""
        body = b'{"source": "192.0.2.7"}'
        for kind, status in (
            ("application/x-www-form-urlencoded", 200),
            ("application/json", 200),
            ("text/plain", 415),
            ("Text/Plain; charset=utf-8", 415),
            ("multipart/form-data; boundary=x", 415),
        ):
            channel, transport = self.connect()
            head = f"POST /openings HTTP/1.1\r\nHost: pkdoors\r\nContent-Type: {kind}\r\n"
            channel.dataReceived(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            self.turn()
            self.assertEqual(str(status), transport.value().decode().split()[1], kind)

    def test_star(self) -> None:
        """What Twisted would answer by itself is answered as all that there is not."""
        status, answer = self.answer("Host: pkdoors", request="OPTIONS * HTTP/1.1")
        self.assertEqual(404, status)
        self.assertIn("there is no '/*'", answer)

    def test_preflight(self) -> None:
        """Nobody is allowed what a browser asks for beforehand."""
        asks = ("Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: x")
        for origin in ("http://evil.example", "http://localhost:8080"):
            headers = ("Host: localhost:8080", f"Origin: {origin}", *asks)
            _, answer = self.answer(*headers, request="OPTIONS /openings HTTP/1.1")
            self.assertNotIn("access-control", answer.lower())

    def test_safeHeaders(self) -> None:
        """All answers keep browsers from showing, guessing, embedding and storing them."""
        for request, headers in (
            ("GET /status HTTP/1.1", ["Host: pkdoors"]),
            ("GET /metrics HTTP/1.1", ["Host: pkdoors"]),
            ("GET /events HTTP/1.1", ["Host: pkdoors"]),
            ("GET /nothing HTTP/1.1", ["Host: pkdoors"]),
            ("POST /status HTTP/1.1", ["Host: pkdoors"]),
            ("OPTIONS * HTTP/1.1", ["Host: pkdoors"]),
            ("GET /status HTTP/1.1", ["Host: evil.example"]),
            ("GET /status HTTP/1.1", ["nonsense"]),
        ):
            _, answer = self.answer(*headers, request=request)
            for name, value in SAFE_HEADERS:
                line = f"\r\n{name.decode()}: {value.decode()}\r\n"
                self.assertEqual(1, answer.lower().count(line.lower()), (request, line))

        names = {name.lower() for name, _ in SAFE_HEADERS}
        for name in (b"cache-control", b"content-security-policy", b"x-content-type-options"):
            self.assertIn(name, names)

    def test_shown(self) -> None:
        """What a refusal quotes is short, and in one line."""
        headers = Headers({b"host": [b"\x1b[2J" + b"x" * 3000]})
        refusal = browserRefusal(headers, b"HTTP/1.1")
        assert refusal is not None
        self.assertTrue(refusal[1].isprintable())
        self.assertLess(len(refusal[1]), 300)


class DuplicateTests(AdminTestCase):
    """
    Arguments that are given twice.
    """

    def test_twice(self) -> None:
        """They are refused wherever they are: which one counts would be anybody's guess."""
        sentence = "an argument is there twice: give each once"
        for path, body in (
            ("/openings", b'{"source": "192.0.2.7", "source": "192.0.2.8"}'),
            ("/openings", b'{"source": "192.0.2.7", "door": "ssh", "door": "ssh"}'),
            ("/openings?door=web", b'{"source": "192.0.2.7", "door": "ssh"}'),
            ("/openings?source=192.0.2.8", b'{"source": "192.0.2.7"}'),
        ):
            self.assertEqual((400, sentence), self.refused("POST", path, body))


class BodyTests(AdminTestCase):
    """
    Bodies that are too long are refused before they are stored.
    """

    def setUp(self) -> None:
        """Have no file be made."""
        super().setUp()
        self.patch(tempfile, "TemporaryFile", None)

    def post(self, *more: str) -> tuple[Any, Connection]:
        """Somebody begins to post."""
        channel, transport = self.connect()
        head = ("POST /openings HTTP/1.1", "Host: pkdoors", *more, "", "")
        channel.dataReceived("\r\n".join(head).encode())
        return channel, transport

    def assertTooLong(self, transport: Connection) -> None:
        """Assert that it was refused, once, and that the connection ends."""
        self.turn()
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 413 "), transport.value()[:200])
        self.assertEqual(1, transport.value().count(b"HTTP/1.1 "))
        self.assertTrue(transport.disconnecting)
        self.assertEqual([], self.operations.asked)

    def test_length(self) -> None:
        """One whose length says so is refused at once, without a word to go on."""
        for length in (MAX_BODY + 1, 100_000_000, 10**30):
            channel, transport = self.post(f"Content-Length: {length}", "Expect: 100-continue")
            self.assertTooLong(transport)
            channel.dataReceived(b"x" * 65_536)
            self.assertTooLong(transport)

    def test_longest(self) -> None:
        """One of just the length that is allowed is read."""
        body = b'{"source": "192.0.2.7"}'.ljust(MAX_BODY)
        channel, _ = self.post(f"Content-Length: {len(body)}")
        channel.dataReceived(body)
        self.turn()
        self.assertEqual([("open", ANN, "", 0.0)], self.operations.asked)

    def test_chunked(self) -> None:
        """One in chunks is refused when it becomes too long."""
        channel, transport = self.post("Transfer-Encoding: chunked")
        for _ in range(MAX_BODY // 1000):
            channel.dataReceived(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        self.assertEqual(b"", transport.value())
        channel.dataReceived(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        self.assertTooLong(transport)

    def test_pieces(self) -> None:
        """So is one in very many pieces, which would take long to put together."""
        channel, transport = self.post("Transfer-Encoding: chunked")
        channel.dataReceived(b"1\r\n \r\n" * (MAX_PIECES + 1))
        self.assertTooLong(transport)

    def test_chunks(self) -> None:
        """One in a few chunks is read."""
        channel, _ = self.post("Transfer-Encoding: chunked")
        channel.dataReceived(b'a\r\n{"source":\r\nd\r\n "192.0.2.7"}\r\n0\r\n\r\n')
        self.turn()
        self.assertEqual([("open", ANN, "", 0.0)], self.operations.asked)


class TimeTests(AdminTestCase):
    """
    How long a connection may do nothing.
    """

    def test_slowHead(self) -> None:
        """A byte now and then does not make the time for a request longer."""
        channel, transport = self.connect()
        for _ in range(int(PATIENCE) - 1):
            channel.dataReceived(b"G")
            self.reactor.advance(1)
        self.assertEqual(0, transport.aborts)
        channel.dataReceived(b"G")
        self.reactor.advance(1)
        self.assertEqual((1, []), (transport.aborts, self.log.lines()))

    def test_slowBody(self) -> None:
        """Nor does one of the body."""
        channel, transport = self.connect()
        channel.dataReceived(b"POST /openings HTTP/1.1\r\nHost: pkdoors\r\n")
        channel.dataReceived(b"Content-Length: 4000\r\n\r\n")
        for _ in range(int(PATIENCE)):
            channel.dataReceived(b" ")
            self.reactor.advance(1)
        self.assertEqual(1, transport.aborts)

    def test_idle(self) -> None:
        """Between two requests there is the same time."""
        channel, transport = self.connect()
        for _ in range(3):
            self.reactor.advance(PATIENCE - 1)
            channel.dataReceived(b"GET /nothing HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            self.turn()
        self.assertEqual((3, 0), (transport.value().count(b" 404 "), transport.aborts))
        self.reactor.advance(PATIENCE)
        self.assertEqual(1, transport.aborts)

    def test_lastAnswer(self) -> None:
        """Whoever does not take the last answer is not waited for."""
        channel, transport = self.connect()
        channel.dataReceived(b"GET /nothing HTTP/1.0\r\n\r\n")
        self.turn()
        self.assertTrue(transport.disconnecting)
        self.reactor.advance(PATIENCE)
        self.assertEqual(1, transport.aborts)

    def test_follower(self) -> None:
        """Who follows the events may be silent for as long as he likes."""
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn()
        self.reactor.advance(100 * PATIENCE)
        self.assertEqual((0, 1), (transport.aborts, self.operations.followers))


class HalfClosedTests(AdminTestCase):
    """
    Clients that say that they send no more.
    """

    def test_answered(self) -> None:
        """Who has asked is answered, and then the connection ends."""
        self.operations.waiting = Deferred()
        body = b'{"source": "192.0.2.7"}'
        channel, transport = self.connect()
        channel.dataReceived(b"POST /openings HTTP/1.1\r\nHost: pkdoors\r\n")
        channel.dataReceived(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.turn()
        channel.readConnectionLost()
        self.assertEqual((b"", False), (transport.value(), transport.disconnecting))
        self.operations.waiting.callback(None)
        self.turn()
        self.assertIn(b"200 OK", transport.value())
        self.assertTrue(transport.disconnecting)

    def test_others(self) -> None:
        """Who has not, or only follows, is not waited for."""
        for data in (b"", b"GET /status HTTP/1.1\r\n", b"GET /events HTTP/1.0\r\n\r\n"):
            channel, transport = self.connect()
            channel.dataReceived(data)
            self.turn()
            channel.readConnectionLost()
            self.assertTrue(transport.disconnecting, data)


class HeadTests(AdminTestCase):
    """
    Heads that are too long.
    """

    def test_bounds(self) -> None:
        """Each line, all together, and how many there are has a bound."""
        get = b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n"
        for data in (
            get + b"A: " + b"x" * 5000 + b"\r\n\r\n",
            get + b"A: " + b"x" * 5000,
            get + 9 * (b"A: " + b"x" * 1000 + b"\r\n") + b"\r\n",
            get + 64 * b"A: b\r\n" + b"\r\n",
            get + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        ):
            channel, transport = self.connect()
            channel.dataReceived(data)
            self.turn()
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 400 "), data[:80])
            self.assertTrue(transport.disconnecting)
        self.assertEqual(([], []), (self.operations.asked, self.log.lines()))


class StatusTestCase(AdminTestCase):
    """
    A site whose daemon has another status.
    """

    def serve(self, status: Callable[[], Json]) -> None:
        """Have that status."""
        self.patch(self.operations, "status", status)
        self.site = makeSite(self.reactor, self.operations)

    def askStatus(self, isFull: bool = False) -> Connection:
        """Somebody asks for the status, and reads it or does not."""
        channel, transport = self.connect()
        transport.isFull = isFull
        channel.dataReceived(b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        return transport

    def oneTurn(self) -> None:
        """The reactor's next turn; a fake clock would do all turns in one."""
        due = [each for each in self.reactor.calls if each.time <= self.reactor.seconds()]
        for call in due:
            self.reactor.calls.remove(call)
            call.called = True
            call.func(*call.args, **call.kw)


class TurnTests(StatusTestCase):
    """
    How much is done in one turn of the reactor.
    """

    def items(self, count: int) -> Iterator[Json]:
        """Items of a long list, counted as they are made."""
        for number in range(count):
            self.made += 1
            yield {"number": number}

    def setUp(self) -> None:
        """Have a daemon with very many openings."""
        super().setUp()
        self.made = self.begun = 0
        self.serve(self.status)

    def status(self) -> Json:
        """Make the list anew."""
        self.begun += 1
        return {"a": 1, "openings": self.items(1000), "empty": self.items(0), "b": {}}

    def steps(self, count: int = 1) -> None:
        """The reactor has turns; no more is made in each than is allowed."""
        for _ in range(count):
            before = self.made
            self.oneTurn()
            self.assertLessEqual(self.made - before, resources.SLICES * answers.SLICE)

    def test_slices(self) -> None:
        """A long answer is made in slices, and whole and right in the end."""
        transport = self.askStatus()
        self.assertLessEqual(self.made, resources.SLICES * answers.SLICE)
        self.steps(20)
        _, _, body = transport.value().partition(b"\r\n\r\n")
        items = ", ".join(f'{{"number": {number}}}' for number in range(1000))
        expected = f'{{"a": 1, "openings": [{items}], "empty": [], "b": {{}}}}\n'
        self.assertEqual(expected, body.decode())

    def test_shared(self) -> None:
        """However many ask, one answer is made at a time, which never began before the question."""
        first = [self.askStatus() for _ in range(resources.REQUESTS)]
        self.steps(3)
        later = [self.askStatus() for _ in range(100)]
        self.steps(100)
        for transport in (*first, *later):
            self.assertIn(b"200 OK", transport.value())
        self.assertLess(self.begun, 8)

    def test_failure(self) -> None:
        """Where it fails, all who share it are told, and the next one is made anew."""
        whole, works = self.status, [True, False, False, False]  # the last one first

        def status() -> Json:
            if not works.pop():
                raise KeyError
            return whole()

        self.serve(status)
        asking = [self.askStatus() for _ in range(3)]
        self.steps(10)
        self.assertTrue(all(b" 500 " in each.value() for each in asking))
        self.assertTrue(self.flushLoggedErrors(KeyError))
        again = self.askStatus()
        self.steps(30)
        self.assertIn(b" 200 ", again.value())

    def test_pipelined(self) -> None:
        """Of requests that come together, only some are answered in a turn, in order."""
        channel, transport = self.connect()
        channel.dataReceived(
            b"".join(b"GET /%d HTTP/1.1\r\nHost: pkdoors\r\n\r\n" % number for number in range(500))
        )
        answered = 0
        for _ in range(500):
            before, answered = answered, transport.value().count(b" 404 ")
            self.assertLessEqual(answered - before, resources.REQUESTS)
            self.oneTurn()
        self.assertEqual(500, transport.value().count(b" 404 "))
        places = [transport.value().index(b"'/%d'" % number) for number in range(500)]
        self.assertEqual(sorted(places), places)

    def test_pipelinedUnread(self) -> None:
        """While one is answered, hardly more of the next is read."""
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
        """Nor does it matter over how many connections they come."""
        transports = []
        for _ in range(100):
            channel, transport = self.connect()
            channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            transports.append(transport)
        answered = 0
        for _ in range(100):
            before, answered = answered, sum(bool(each.value()) for each in transports)
            self.assertLessEqual(answered - before, resources.REQUESTS)
            self.oneTurn()
        self.assertEqual(100, answered)

    def test_goneMeanwhile(self) -> None:
        """Whoever goes away before his turn does no harm."""
        channels = []
        for _ in range(20):
            channel, _ = self.connect()
            channel.dataReceived(b"DELETE /openings HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            channels.append(channel)
        for channel in channels:
            goAway(channel)
        self.turn()
        self.assertLessEqual(len(self.operations.asked), resources.REQUESTS)
        self.assertEqual([], self.log.lines())

    def test_reloads(self) -> None:
        """Many who ask for a reload at once share some, and few are made in a turn."""
        transports = []
        for _ in range(50):
            channel, transport = self.connect()
            channel.dataReceived(b"POST /reload HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            transports.append(transport)
        for _ in range(50):
            before = len(self.operations.asked)
            self.oneTurn()
            self.assertLessEqual(len(self.operations.asked) - before, resources.SLICES)
        self.assertTrue(all(b"200 OK" in each.value() for each in transports))
        self.assertLess(len(self.operations.asked), 30)

    def test_metricsLoad(self) -> None:
        """What writes the metrics is loaded once, in a thread: knocks do not wait for it."""
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
        self.patch(resources, "loadFormat", load)
        for _ in range(2):
            channel, transport = self.connect()
            channel.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            self.turn()
            self.assertIn(b"200 OK", transport.value())
        self.assertEqual([True], loaded)

    def test_told(self) -> None:
        """An event is written once, however many follow."""
        written: list[object] = []

        def write(value: Mapping[str, Any]) -> str:
            written.append(value)
            return formatJSONLine(value)

        self.patch(stream, "formatJSONLine", write)
        for _ in range(10):
            channel, _ = self.connect()
            channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn()
        self.operations.tell("anna")
        self.operations.tell("bob")
        self.assertEqual(2, len(written))


class SendingTests(StatusTestCase):
    """
    Long answers to those who do not read.
    """

    def setUp(self) -> None:
        """Have a long status."""
        super().setUp()
        self.serve(lambda: {"long": "x" * 10 * sending.SLICE})

    def askLong(self, isFull: bool) -> Connection:
        """Somebody asks for a long answer, and reads it or does not."""
        transport = self.askStatus(isFull)
        self.turn()
        return transport

    def test_slowly(self) -> None:
        """Whoever reads gets all of it, no faster than he reads."""
        transport = self.askLong(True)
        self.assertLess(len(transport.value()), 2 * sending.SLICE)
        for _ in range(20):
            transport.readAgain()
        self.assertEqual(b'x"}\n', transport.value()[-4:])
        self.reactor.advance(sending.PATIENCE - 1)
        self.assertEqual(0, transport.aborts)

    def test_never(self) -> None:
        """Whoever does not is dropped after a while, however much he read meanwhile."""
        transport = self.askLong(True)
        self.reactor.advance(sending.PATIENCE / 2)
        transport.readAgain()
        self.reactor.advance(sending.PATIENCE / 2)
        self.assertEqual((1, []), (transport.aborts, self.log.lines()))

    def test_bodies(self) -> None:
        """Only so many answers wait in memory: those whom the oldest is for are dropped."""
        lazy = [self.askLong(True) for _ in range(sending.MAX_BODIES)]
        self.assertEqual(0, sum(each.aborts for each in lazy))
        more = [self.askLong(True), self.askLong(True)]
        self.assertEqual([1, 1, 0], [each.aborts for each in lazy[:3]])
        self.assertEqual(0, sum(each.aborts for each in more))
        self.assertIn(b'x"}\n', self.askLong(False).value())

    def test_quick(self) -> None:
        """When all is sent, nothing waits for the client any more."""
        self.askLong(False)
        calls = [getattr(each.func, "__name__", "") for each in self.reactor.calls]
        self.assertNotIn("drop", calls)

    def test_shared(self) -> None:
        """However many one answer is for, it is one; when it is the oldest, all are dropped."""
        senders = sending.Senders()
        requests: list[Any] = [Unread() for _ in range(50)]
        body = b"x" * 2 * sending.SLICE
        for each in requests[: -sending.MAX_BODIES]:
            senders.send(each, body)
        for number, each in enumerate(requests[-sending.MAX_BODIES :]):
            self.assertEqual(0, sum(each.aborts for each in requests))
            senders.send(each, body + b"%d" % number)
        self.assertEqual(
            [1] * (50 - sending.MAX_BODIES) + [0] * sending.MAX_BODIES,
            [each.aborts for each in requests],
        )


class Unread(Clock):
    """A request, with its channel and transport, of somebody who reads nothing."""

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


class FakeConnection:
    """A connection of a process."""

    def __init__(self, peer: Peer, descriptor: int = 7) -> None:
        self.peer = peer
        self.descriptor = descriptor
        self.isDropped = False

    def drop(self) -> None:
        """End now."""
        self.isDropped = True


class ConnectionsTests(SynchronousTestCase):
    """
    Tests of L{Connections}.
    """

    def setUp(self) -> None:
        """Have none."""
        self.log = Log(self)
        self.now = 1000.0
        self.connections = Connections(lambda: self.now)

    def fill(self, peers: Iterable[Peer]) -> list[FakeConnection]:
        """Take so many in that there is no more room."""
        made = [FakeConnection(peer) for peer in peers]
        self.assertEqual(MAX_CONNECTIONS, len(made))
        self.assertEqual({""}, {self.connections.admit(each) for each in made})
        return made

    def add(self, user: int, process: int) -> str:
        """One more comes: why it is refused."""
        return self.connections.admit(FakeConnection(Peer(user, process)))

    def test_most(self) -> None:
        """A process cannot have more than there is room for; when one ends there is some again."""
        made = self.fill([Peer(ROOT, 1)] * MAX_CONNECTIONS)
        refusal = self.add(ROOT, 1)
        self.assertEqual(
            "128 connections to the admin socket, which is the most: try again", refusal
        )
        self.connections.ended(made[5])
        self.assertEqual("", self.add(ROOT, 1))
        self.assertNotEqual("", self.add(ROOT, 1))
        self.assertFalse(any(each.isDropped for each in made))

    def test_another(self) -> None:
        """Another process always finds room: the oldest one of who has most goes."""
        made = self.fill([Peer(ROOT, 1)] * 28 + [Peer(ROOT, 2)] * 100)
        self.assertEqual("", self.add(ROOT, 3))
        self.assertEqual([28], [made.index(each) for each in made if each.isDropped])
        for process in range(100, 200):
            self.assertEqual("", self.add(ROOT, process))

    def test_root(self) -> None:
        """Root's make room for nobody else's, and others' make room for root's first."""
        made = self.fill([Peer(ROOT, 1)] * 127 + [Peer(SERVICE, 2)])
        self.assertNotEqual("", self.add(SERVICE, 2))
        self.assertEqual("", self.add(ROOT, 3))
        self.assertEqual([127], [made.index(each) for each in made if each.isDropped])
        self.assertNotEqual("", self.add(SERVICE, 4))

    def test_serviceFills(self) -> None:
        """Who has the daemon's own user cannot lock root out, with however many processes."""
        self.fill(Peer(SERVICE, number) for number in range(MAX_CONNECTIONS))
        for process in range(MAX_CONNECTIONS):
            self.assertEqual("", self.add(ROOT, process))
        self.assertNotEqual("", self.add(SERVICE, 5000))

    def test_descriptors(self) -> None:
        """Connections leave descriptors to the doors: the last ones they do not get."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        made = [FakeConnection(Peer(ROOT, 1), limit - RESERVE - 3 + each) for each in range(4)]
        refusals = [self.connections.admit(each) for each in made]
        last = f"3 connections to the admin socket, which is the most with {limit} open files"
        self.assertEqual(["", "", "", f"{last}: try again"], refusals)
        # Another process finds room, and there are not more of them, whatever numbers they have.
        for process, descriptor in ((2, limit - 1), (3, 7), (4, limit - RESERVE), (5, 8)):
            new = FakeConnection(Peer(ROOT, process), descriptor)
            self.assertEqual("", self.connections.admit(new))
            made.append(new)
            self.assertEqual(3, len(self.connections._all))
        for each in made:
            self.connections.ended(each)
        for descriptor in range(7, 20):
            new = FakeConnection(Peer(ROOT, 1), descriptor)
            self.assertEqual("", self.connections.admit(new))

    def test_noDescriptor(self) -> None:
        """One is always taken, so that root can ask why there are so few."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for process in range(3):
            new = FakeConnection(Peer(ROOT, process), limit - 1)
            self.assertEqual("", self.connections.admit(new))

    def test_line(self) -> None:
        """However many are refused, there is one line a minute, which says how many."""
        self.fill([Peer(ROOT, 1)] * MAX_CONNECTIONS)
        for _ in range(1000):
            self.add(ROOT, 1)
        self.now += INTERVAL
        self.add(ROOT, 1)
        lines = self.log.lines()
        self.assertEqual(2, len(lines))
        self.assertIn("which is the most: 1 refused or dropped; see who connects", lines[0])
        self.assertIn("which is the most: 1000 refused or dropped", lines[1])

    def test_peer(self) -> None:
        """The kernel tells whose a connection is."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)

        class Transport:
            def getHandle(self) -> socket.socket:
                return ours

        self.assertEqual(Peer(os.getuid(), os.getpid()), peerOf(Transport()))


class RefusedSiteTests(SynchronousTestCase):
    """
    L{AdminSite} with too many connections.
    """

    def test_refused(self) -> None:
        """Who is refused is told why, in JSON, before anything is loaded or read."""
        site = AdminSite(MemoryReactorClock(), FakeSteering(), ignore, lambda _: Peer(0, 1))
        transports, protocols = [], []
        for _ in range(MAX_CONNECTIONS + 1):
            protocol: Any = site.buildProtocol(None)
            transport = Connection()
            protocol.makeConnection(transport)
            transports.append(transport)
            protocols.append(protocol)
        *taken, refused = transports
        self.assertFalse(any(each.value() or each.disconnecting for each in taken))
        self.assertTrue(refused.value().startswith(b"HTTP/1.1 503 "))
        self.assertIn(b'{"error": "128 connections', refused.value())
        self.assertTrue(refused.disconnecting)
        protocols[-1].dataReceived(b"GET /status HTTP/1.1\r\n")
        for each in protocols:
            goAway(each)
        self.assertEqual([], site._connections._all)

    def test_dropped(self) -> None:
        """Who makes room for another is dropped, whatever was under way."""
        peers = iter([1] * MAX_CONNECTIONS + [2])
        site = AdminSite(
            MemoryReactorClock(), FakeSteering(), ignore, lambda _: Peer(0, next(peers))
        )
        transports = []
        for _ in range(MAX_CONNECTIONS + 1):
            protocol: Any = site.buildProtocol(None)
            transports.append(Connection())
            protocol.makeConnection(transports[-1])
        self.assertEqual([1, *[0] * MAX_CONNECTIONS], [each.aborts for each in transports])


class PortTests(SynchronousTestCase):
    """
    Tests of L{AdminPort}.
    """

    def setUp(self) -> None:
        """Listen."""
        self.log = Log(self)
        self.reactor = MemoryReactorClock()
        self.site = AdminSite(self.reactor, FakeSteering(), ignore)
        self.path = str(Path(tempfile.mkdtemp()) / "sock")
        reactor: Any = self.reactor
        self.port = AdminPort(os.fsencode(self.path), self.site, 50, 0o600, reactor)
        self.port.startListening()
        self.addCleanup(self.end)
        self.log.lines().clear()

    def end(self) -> None:
        """End."""
        for each in self.reactor.getReaders():
            if each is not self.port:
                each.connectionLost(Failure(ConnectionError()))
        self.port.connectionLost(Failure(ConnectionError()))

    def connect(self) -> None:
        """Somebody connects."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(self.path)

    def warnings(self) -> list[str]:
        """What it complained of."""
        return [each for each in self.log.lines() if "starting on" not in each]

    def test_few(self) -> None:
        """Only some connections are taken in a turn."""
        for _ in range(3 * MAX_ACCEPTS):
            self.connect()
        for turn in range(1, 5):
            self.port.doRead()
            taken = len(self.site._connections._all)
            self.assertEqual(min(turn, 3) * MAX_ACCEPTS, taken)

    def test_noDescriptors(self) -> None:
        """Where there is no descriptor, it waits, with a line a minute, and then goes on."""
        self.connect()
        dup = os.dup

        def fail(number: int) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.patch(os, "dup", fail)
        for _ in range(50):
            self.assertIn(self.port, self.reactor.getReaders())
            self.port.doRead()
            self.assertNotIn(self.port, self.reactor.getReaders())
            self.reactor.advance(PAUSE)
        self.assertEqual(
            [
                "cannot take connections to the admin socket: Too many open files: raise "
                "LimitNOFILE= of the service, or `ulimit -n`"
            ],
            self.warnings(),
        )
        self.assertEqual([], self.site._connections._all)
        self.patch(os, "dup", dup)
        self.port.doRead()
        self.assertEqual(1, len(self.site._connections._all))

    def test_endsMeanwhile(self) -> None:
        """When it ends while it waits, nothing wakes up any more."""
        reactor: Any = self.reactor
        port = AdminPort(os.fsencode(f"{self.path}2"), self.site, 50, 0o600, reactor)
        port.startListening()
        port._wait(OSError(errno.EMFILE, "Too many open files"))
        port.connectionLost(Failure(ConnectionError()))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_lastDescriptor(self) -> None:
        """Nor is there a line where the last one is taken meanwhile."""
        self.connect()

        class Full:
            """The socket, which cannot take any."""

            def __init__(self, real: socket.socket) -> None:
                self._real = real

            def accept(self) -> None:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

            def __getattr__(self, name: str) -> Any:
                return getattr(self._real, name)

        self.port.socket = Full(self.port.socket)
        for _ in range(20):
            self.port.doRead()
        self.assertEqual([], self.warnings())
