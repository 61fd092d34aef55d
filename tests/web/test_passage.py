"""Tests of L{pkdoors.web._passage} and L{pkdoors.web._collecting}."""

import json

from pkdoors.errors import AskError, NoDaemon
from pkdoors.web._collecting import MAX_ANSWER
from pkdoors.web._passage import MAX_ANSWER as LONGEST
from pkdoors.web._passage import MAX_HEAD
from tests.admin.case import Connection, goAway
from tests.fakes.adminside import FakeChannel
from tests.web.case import WebTestCase

JSON = "Content-Type: application/json"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"


class PassageTestCase(WebTestCase):
    """Passes requests."""

    def begin(
        self, request: str, *headers: str, body: bytes = b""
    ) -> tuple[Connection, FakeChannel]:
        """Send a request, and return its connection and the channel that it has got."""
        transport = self.ask(request, *headers, body=body)
        return transport, self.side.channels[-1]

    def contentOf(self, transport: Connection) -> bytes:
        """Return the content of an answer, whose pieces may be chunks."""
        head, _, rest = transport.value().partition(b"\r\n\r\n")
        return b"".join(rest.split(b"\r\n")[1::2]) if b"chunked" in head else rest


class RequestTests(PassageTestCase):
    """What the daemon is asked."""

    def test_get(self) -> None:
        """The path without /api, with its arguments; nothing else of the browser's is passed."""
        _, channel = self.begin("GET /api/status?limit=50&door=a%26b", "Accept: x", "X-Y: z")
        self.assertEqual("admin", channel.kind)
        self.assertEqual(
            b"GET /status?limit=50&door=a%26b HTTP/1.0\r\nHost: pkdoors\r\n\r\n", channel.value()
        )

    def test_post(self) -> None:
        """A body is passed as it is."""
        body = b'{"source": "192.0.2.7"}'
        _, channel = self.begin("POST /api/openings", JSON + "; charset=utf-8", body=body)
        self.assertEqual(
            b"POST /openings HTTP/1.0\r\nHost: pkdoors\r\nContent-Type: application/json\r\n"
            b"Content-Length: 23\r\n\r\n" + body,
            channel.value(),
        )

    def test_type(self) -> None:
        """A body must be JSON, which no form of another page can send."""
        for headers in ((), ("Content-Type: text/plain",), ("Content-Type: x",), (JSON, JSON)):
            transport = self.ask("POST /api/openings", *headers, body=b'{"source": "192.0.2.7"}')
            self.assertEqual(415, self.errorOf(transport)[0], headers)
        self.assertEqual([], self.side.channels)

    def test_delete(self) -> None:
        """It has no body, as for the daemon."""
        request = "DELETE /api/openings/2001:db8::1?door=ssh"
        _, channel = self.begin(request)
        self.assertEqual(
            b"DELETE /openings/2001:db8::1?door=ssh HTTP/1.0\r\nHost: pkdoors\r\n\r\n",
            channel.value(),
        )
        self.assertEqual(400, self.errorOf(self.ask(request, JSON, body=b"{}"))[0])

    def test_lastEvent(self) -> None:
        """A page can go on where its events have ended."""
        _, channel = self.begin("GET /api/events?last=50", "Last-Event-ID: 7-12")
        self.assertIn(b"\r\nLast-Event-ID: 7-12\r\n", channel.value())
        for strange in ("", "a b", "x" * 101, "\xff"):
            _, channel = self.begin("GET /api/events", f"Last-Event-ID: {strange}")
            self.assertNotIn(b"Last-Event-ID", channel.value())


class AnswerTests(PassageTestCase):
    """What the page gets."""

    def test_answer(self) -> None:
        """Status, type and content are the daemon's, however its bytes arrive."""
        answer = (
            b"HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Type: application/json\r\n"
            b'Set-Cookie: a=b\r\nContent-Length: 14\r\n\r\n{"error": "x"}'
        )
        for size in (1, 7, len(answer)):
            transport, channel = self.begin("DELETE /api/openings/192.0.2.7")
            for at in range(0, len(answer), size):
                if not channel.isEnded:
                    channel.answer(answer[at : at + size])
            self.assertEqual((404, "x"), self.errorOf(transport))
            self.assertIn(b"\r\nContent-Length: 14\r\n", transport.value())
            self.assertNotIn(b"set-cookie", transport.value().lower())
            self.assertTrue(channel.isEnded)
            self.assertEqual(0, transport.aborts)

    def test_more(self) -> None:
        """What follows an answer is left out."""
        transport, channel = self.begin("GET /api/status")
        channel.answer(PLAIN + b"Content-Length: 2\r\n\r\n{}more")
        self.assertTrue(transport.value().endswith(b"\r\n\r\n{}"))

    def test_cut(self) -> None:
        """An answer that is cut off is not taken for whole."""
        for error in (None, AskError("ssh has ended")):
            transport, channel = self.begin("GET /api/status")
            channel.answer(PLAIN + b"Content-Length: 9\r\n\r\n{")
            channel.end(error)
            self.assertEqual(1, transport.aborts)

    def test_noAnswer(self) -> None:
        """If there is none, a sentence says why."""
        self.side.error = NoDaemon("the daemon is not running: start it")
        transport = self.ask("GET /api/status")
        self.assertEqual((503, "the daemon is not running: start it"), self.errorOf(transport))
        self.side.error = None
        for data in (b"", b"HTTP/1.1 200 OK\r\n"):
            transport, channel = self.begin("GET /api/status")
            channel.answer(data)
            channel.end()
            status, sentence = self.errorOf(transport)
            self.assertEqual(503, status)
            self.assertIn("see its log", sentence)

    def test_garbage(self) -> None:
        """So it does if the answer is something else."""
        for data in (
            b"SSH-2.0-x\r\n\r\n",
            b"\r\n\r\n",
            b"HTTP/1.1 999 x\r\n\r\n",
            b"HTTP/1.1 20 x\r\n\r\n",
            PLAIN + b"\r\n{}",
            PLAIN + b"Content-Length: %d\r\n\r\n{}" % (LONGEST + 1),
            PLAIN + b"Content-Length: 9999999999\r\n\r\n{}",
            b"x" * (MAX_HEAD + 1),
        ):
            transport, channel = self.begin("GET /api/status")
            channel.answer(data)
            self.assertEqual(502, self.errorOf(transport)[0], data[:20])
            self.assertTrue(channel.isEnded)

    def test_splitting(self) -> None:
        """A header of the daemon's cannot bring another one to the browser."""
        transport, channel = self.begin("GET /api/status")
        channel.answer(b"HTTP/1.1 200 OK\r\nContent-Type: a\nSet-Cookie: x=y\r\n\r\n")
        self.assertNotIn(b"\nSet-Cookie", transport.value())

    def test_pageLeaves(self) -> None:
        """If the page goes, the daemon's connection ends, and nothing of them stays in memory."""
        for data in (b"", PLAIN + b"Content-Length: 9\r\n\r\nabc", EVENTS):
            browser, _ = self.connect()
            self.sendOn(browser, "GET /api/status", self.cookie)
            channel = self.side.channels[-1]
            channel.answer(data)
            self.assertFalse(channel.isEnded)
            request = browser.requests[0]
            goAway(browser)
            self.assertTrue(channel.isEnded)
            self.assertIsNone(request.producer, "a circle of objects")


class EventsTests(PassageTestCase):
    """Events have no end."""

    def test_events(self) -> None:
        """Each goes to the page as it comes."""
        transport, channel = self.begin("GET /api/events")
        channel.answer(EVENTS)
        transport.clear()
        for data in (b": pkdoors\n\n", b"event: opened\ndata: {}\n\n"):
            channel.answer(data)
            self.assertIn(data, transport.value())
        self.assertFalse(channel.isEnded)

    def test_notRead(self) -> None:
        """If the page does not read, nothing more is taken from the daemon, and nothing waits."""
        transport, channel = self.begin("GET /api/events")
        channel.answer(EVENTS)
        transport.isFull = True
        channel.answer(b"event: opened\ndata: {}\n\n")
        self.assertEqual("paused", channel.producerState)
        transport.isFull = False
        transport.readAgain()
        self.assertEqual("producing", channel.producerState)

    def test_hostEnds(self) -> None:
        """The page is told why the events end, if it is not the daemon's own end."""
        transport, channel = self.begin("GET /api/events")
        channel.answer(EVENTS)
        channel.end(AskError("the connection has ended"))
        self.assertIn(
            b'event: ended\ndata: {"error": "the connection has ended"}\n\n', transport.value()
        )
        transport, channel = self.begin("GET /api/events")
        channel.answer(EVENTS)
        channel.end()
        self.assertNotIn(b"ended", transport.value())
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))


class CollectingTests(PassageTestCase):
    """Answers about the host."""

    def test_answer(self) -> None:
        """They come as a whole."""
        for kind in ("about", "check", "fleet"):
            transport, channel = self.begin(f"GET /api/{kind}")
            self.assertEqual(kind, channel.kind)
            channel.answer(b'{"host": ')
            channel.answer(b'"gate1"}\n')
            self.assertEqual(b"", transport.value())
            channel.end()
            _, _, content = transport.value().partition(b"\r\n\r\n")
            self.assertEqual({"host": "gate1"}, json.loads(content))
            self.assertEqual(200, self.statusOf(transport))

    def test_fails(self) -> None:
        """If there is none, a sentence says why."""
        transport, channel = self.begin("GET /api/check")
        channel.answer(b"{")
        channel.end(AskError("no configuration: run init"))
        self.assertEqual((503, "no configuration: run init"), self.errorOf(transport))

    def test_long(self) -> None:
        """One that is too long for the memory is refused."""
        transport, channel = self.begin("GET /api/fleet")
        for _ in range(0, MAX_ANSWER, 1 << 20):
            channel.answer(bytes(1 << 20))
        channel.answer(b"x")
        self.assertEqual(502, self.errorOf(transport)[0])
        self.assertTrue(channel.isEnded)

    def test_pageLeaves(self) -> None:
        """If the page goes, so does the question."""
        browser, _ = self.connect()
        self.sendOn(browser, "GET /api/check", self.cookie)
        goAway(browser)
        self.assertTrue(self.side.channels[-1].isEnded)
