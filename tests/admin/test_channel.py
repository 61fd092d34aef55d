"""Tests of L{pkdoors.admin.channel}: bounds for what one connection sends."""

import tempfile
from typing import Any

from twisted.internet.defer import Deferred

from pkdoors.admin.channel import MAX_BODY, MAX_PIECES, REQUEST_TIMEOUT
from tests.admin.case import ANN, AdminTestCase, Connection


class BodyTests(AdminTestCase):
    """Bodies that are too long are refused before they are stored."""

    def setUp(self) -> None:
        """Forbid temporary files."""
        super().setUp()
        self.patch(tempfile, "TemporaryFile", None)

    def post(self, *headers: str) -> tuple[Any, Connection]:
        """Connect a client that sends the head of a POST."""
        channel, transport = self.connect()
        head = ("POST /openings HTTP/1.1", "Host: pkdoors", *headers, "", "")
        channel.dataReceived("\r\n".join(head).encode())
        return channel, transport

    def assertTooLong(self, transport: Connection) -> None:
        """Assert that the request was refused, once, and that the connection ends."""
        self.turn()
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 413 "), transport.value()[:200])
        self.assertEqual(1, transport.value().count(b"HTTP/1.1 "))
        self.assertTrue(transport.disconnecting)
        self.assertEqual([], self.operations.asked)

    def test_length(self) -> None:
        """A body whose C{Content-Length} is too large is refused at once."""
        for length in (MAX_BODY + 1, 100_000_000, 10**30):
            channel, transport = self.post(f"Content-Length: {length}", "Expect: 100-continue")
            self.assertTooLong(transport)
            channel.dataReceived(b"x" * 65_536)
            self.assertTooLong(transport)

    def test_longest(self) -> None:
        """A body of exactly the allowed length is read."""
        body = b'{"source": "192.0.2.7"}'.ljust(MAX_BODY)
        channel, _ = self.post(f"Content-Length: {len(body)}")
        channel.dataReceived(body)
        self.turn()
        self.assertEqual([("open", ANN, "", 0.0)], self.operations.asked)

    def test_chunked(self) -> None:
        """A chunked body is refused when it becomes too long."""
        channel, transport = self.post("Transfer-Encoding: chunked")
        for _ in range(MAX_BODY // 1000):
            channel.dataReceived(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        self.assertEqual(b"", transport.value())
        channel.dataReceived(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        self.assertTooLong(transport)

    def test_pieces(self) -> None:
        """So is a body in very many pieces, which would take long to put together."""
        channel, transport = self.post("Transfer-Encoding: chunked")
        channel.dataReceived(b"1\r\n \r\n" * (MAX_PIECES + 1))
        self.assertTooLong(transport)

    def test_chunks(self) -> None:
        """A body in a few chunks is read."""
        channel, _ = self.post("Transfer-Encoding: chunked")
        channel.dataReceived(b'a\r\n{"source":\r\nd\r\n "192.0.2.7"}\r\n0\r\n\r\n')
        self.turn()
        self.assertEqual([("open", ANN, "", 0.0)], self.operations.asked)


class TimeTests(AdminTestCase):
    """Tests of how long a connection may be idle."""

    def test_slowHead(self) -> None:
        """A byte now and then does not extend the time for a request."""
        channel, transport = self.connect()
        for _ in range(int(REQUEST_TIMEOUT) - 1):
            channel.dataReceived(b"G")
            self.reactor.advance(1)
        self.assertEqual(0, transport.aborts)
        channel.dataReceived(b"G")
        self.reactor.advance(1)
        self.assertEqual((1, []), (transport.aborts, self.log.lines()))

    def test_slowBody(self) -> None:
        """Nor does a byte of the body."""
        channel, transport = self.connect()
        channel.dataReceived(b"POST /openings HTTP/1.1\r\nHost: pkdoors\r\n")
        channel.dataReceived(b"Content-Length: 4000\r\n\r\n")
        for _ in range(int(REQUEST_TIMEOUT)):
            channel.dataReceived(b" ")
            self.reactor.advance(1)
        self.assertEqual(1, transport.aborts)

    def test_idle(self) -> None:
        """Between two requests the client has the same time."""
        channel, transport = self.connect()
        for _ in range(3):
            self.reactor.advance(REQUEST_TIMEOUT - 1)
            channel.dataReceived(b"GET /nothing HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            self.turn()
        self.assertEqual((3, 0), (transport.value().count(b" 404 "), transport.aborts))
        self.reactor.advance(REQUEST_TIMEOUT)
        self.assertEqual(1, transport.aborts)

    def test_lastAnswer(self) -> None:
        """A client that does not read the last answer is dropped."""
        channel, transport = self.connect()
        channel.dataReceived(b"GET /nothing HTTP/1.0\r\n\r\n")
        self.turn()
        self.assertTrue(transport.disconnecting)
        self.reactor.advance(REQUEST_TIMEOUT)
        self.assertEqual(1, transport.aborts)

    def test_follower(self) -> None:
        """A client that follows the events may be silent for any time."""
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn()
        self.reactor.advance(100 * REQUEST_TIMEOUT)
        self.assertEqual((0, 1), (transport.aborts, self.operations.followers))


class HalfClosedTests(AdminTestCase):
    """Tests of clients that close their sending half of the connection."""

    def test_answered(self) -> None:
        """A client that has sent a request is answered, and then the connection ends."""
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
        """The connection of any other client, or of a follower, ends at once."""
        for data in (b"", b"GET /status HTTP/1.1\r\n", b"GET /events HTTP/1.0\r\n\r\n"):
            channel, transport = self.connect()
            channel.dataReceived(data)
            self.turn()
            channel.readConnectionLost()
            self.assertTrue(transport.disconnecting, data)


class HeadTests(AdminTestCase):
    """Tests of heads that are too long."""

    def test_bounds(self) -> None:
        """The length of each line, of all lines, and their number are bounded."""
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
