"""Tests of L{pkdoors.admin.fleet}: its paths."""

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed

from pkdoors.admin.fleet._seals import MAX_LINES
from pkdoors.admin.fleet._site import GATHERED, MAX_BODY, TIMEOUT, makeServer
from pkdoors.daemon.fleet.outbox import MAX_WAITING, Follower, Outbox
from pkdoors.doorkeeper.outcome import Outcome
from tests.admin.case import AdminTestCase, Connection, goAway

OPENED = '{"result": "opened", "reason": ""}\n'


class FakeRelay:
    """
    A daemon that notes what comes, and opens for each line.

    @ivar cancelled: how many answers nobody waits for.
    @ivar waiting: the answers wait for this, if it is not L{None}.
    """

    def __init__(self) -> None:
        self.outbox = Outbox(lambda: 0.0)
        self.taken: list[bytes] = []
        self.cancelled = 0
        self.waiting: Deferred[None] | None = None
        self.leave = self.outbox.leave
        self.proceed = self.outbox.proceed

    def take(self, lines: Sequence[bytes]) -> Deferred[list[Outcome]]:
        """See L{Relay.take}."""
        self.taken += lines
        outcomes = [Outcome("opened") for _ in lines]
        taken: Deferred[list[Outcome]] = Deferred(self._cancel)

        def answer(_: object) -> None:
            if not taken.called:
                taken.callback(outcomes)

        (self.waiting or succeed(None)).addCallback(answer)
        return taken

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def follow(self, follower: Follower) -> None:
        """See L{Relay.follow}."""
        self.outbox.follow(follower)

    def put(self, name: str) -> None:
        """Have a seal for whoever follows."""
        self.outbox.putSeal(name.encode(), "192.0.2.7", 1.0, True)


class FleetCase(AdminTestCase):
    """
    The paths of the lesser socket.
    """

    def setUp(self) -> None:
        """Make the site."""
        super().setUp()
        self.relay = FakeRelay()
        self.site = makeServer(self.reactor, self.operations, self.relay)

    def follow(self, isFull: bool = False) -> tuple[Any, Connection]:
        """Connect a follower."""
        channel, transport = self.connect()
        transport.isFull = isFull
        channel.dataReceived(b"GET /seals HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn(2)
        return channel, transport

    def count(self, transport: Connection) -> int:
        """Return how many seals a follower has got."""
        received: bytes = transport.value()
        return received.count(b"event: seal\n")


class PathTests(FleetCase):
    """
    What there is, and what there is not.
    """

    def test_lines(self) -> None:
        """Each line has an answer; blank lines count as none."""
        head, content = self.raw("POST", "/seals", b'{"order": "AA=="}\n\n{"claim": 1}')
        self.assertEqual((b"200", OPENED * 2), (head.split()[1].encode(), content))
        self.assertIn("application/x-ndjson", head)
        self.assertEqual([b'{"order": "AA=="}', b'{"claim": 1}'], self.relay.taken)

    def test_later(self) -> None:
        """The answer can come later; nobody gets it who has gone."""
        self.relay.waiting = Deferred()
        waiting = self.send("POST", "/seals", b"{}")
        channel, gone = self.connect()
        channel.dataReceived(
            b"POST /seals HTTP/1.1\r\nHost: pkdoors\r\nContent-Length: 2\r\n\r\n{}"
        )
        self.turn()
        goAway(channel)
        self.assertEqual(1, self.relay.cancelled)
        self.relay.waiting.callback(None)
        self.assertTrue(waiting.value().endswith(OPENED.encode()))
        self.assertEqual(b"", gone.value())

    def test_body(self) -> None:
        """A body may be large, but not larger; an empty one is refused."""
        line = b"{}".ljust(MAX_BODY - 1) + b"\n"
        self.assertIn("200", self.raw("POST", "/seals", line)[0].split())
        status, answer = self.ask("POST", "/seals", line + b"\n")
        self.assertEqual(
            (413, f"the body is too long: {MAX_BODY} bytes are allowed"), (status, answer["error"])
        )
        self.assertEqual(400, self.refused("POST", "/seals", b" \n\n")[0])

    def test_manyLines(self) -> None:
        """A request has a bound for its lines, however short: all are answered in one turn."""
        status, answer = self.ask("POST", "/seals", b"1\n" * (MAX_LINES + 1))
        self.assertEqual((413, True), (status, "lines" in answer["error"]))
        self.assertEqual([], self.relay.taken)
        self.assertIn("200", self.raw("POST", "/seals", b"1\n" * MAX_LINES)[0].split())

    def test_reading(self) -> None:
        """The state and the events can be read."""
        self.assertEqual(200, self.ask("GET", "/status")[0])
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn(2)
        self.operations.publish()
        self.assertNotIn(b"event: opened\n", transport.value())  # seals come first
        self.reactor.advance(GATHERED)
        self.assertIn(b"event: opened\n", transport.value())

    def test_noPast(self) -> None:
        """The past is for the operator: events begin with the connection, whatever is asked."""
        self.operations.publish()
        for query, header in (("", "Last-Event-ID: x-1\r\n"), ("?last=9", ""), ("?after=x-1", "")):
            channel, transport = self.connect()
            head = f"GET /events{query} HTTP/1.1\r\nHost: pkdoors\r\n{header}\r\n"
            channel.dataReceived(head.encode())
            self.turn(2)
            self.reactor.advance(GATHERED)
            self.assertNotIn(b"event: ", transport.value())
            self.assertIn(b" 400 " if query else b" 200 ", transport.value())

    def test_refused(self) -> None:
        """Whatever else the operator's socket has, this one does not."""
        for method, path in (
            ("POST", "/openings"),
            ("DELETE", "/openings"),
            ("DELETE", "/openings/192.0.2.7"),
            ("GET", "/openings"),
            ("POST", "/reload"),
            ("GET", "/metrics"),
            ("GET", "/rates"),
            ("GET", "/"),
            ("GET", "/seals/1"),
        ):
            status, reason = self.refused(method, path)
            self.assertEqual((404, True), (status, "/seals, /events, /status" in reason))
        for method, path in (
            ("DELETE", "/seals"),
            ("PUT", "/seals"),
            ("POST", "/status"),
            ("DELETE", "/status"),
            ("POST", "/events"),
        ):
            self.assertEqual(405, self.refused(method, path)[0])

    def test_kept(self) -> None:
        """A connection may be silent for long between two requests."""
        channel, transport = self.connect()
        request = b"POST /seals HTTP/1.1\r\nHost: pkdoors\r\nContent-Length: 2\r\n\r\n{}"
        for _ in range(2):
            channel.dataReceived(request)
            self.turn()
            self.reactor.advance(TIMEOUT - 1)
        self.assertEqual((2, 0), (transport.value().count(OPENED.encode()), transport.aborts))


class FollowingTests(FleetCase):
    """
    Clients that follow.
    """

    def test_seals(self) -> None:
        """A follower gets what waits, and then each seal as it is heard."""
        self.relay.put("one")
        _, transport = self.follow()
        self.assertIn(b": pkdoors\n\n", transport.value())
        self.relay.put("two")
        self.assertEqual(2, self.count(transport))
        line = transport.value().split(b"data: ")[1].split(b"\n")[0]
        expected = {"seal": "b25l", "source": "192.0.2.7", "time": 1.0, "isBound": True}
        self.assertEqual(expected, json.loads(line))

    def test_slow(self) -> None:
        """While it does not read, at most a thousand wait."""
        _, transport = self.follow(isFull=True)
        for number in range(MAX_WAITING + 3):
            self.relay.put(str(number))
        self.assertEqual((0, 3), (self.count(transport), self.relay.outbox.dropped))
        self.assertFalse(self.relay.outbox.ask(1, "name", 1000))
        transport.isFull = False
        transport.readAgain()
        self.assertEqual(MAX_WAITING, self.count(transport))
        self.assertIn(b'event: dropped\ndata: {"count": 3}\n\n', transport.value())

    def test_takeOver(self) -> None:
        """A new follower takes over; what the first one did not get, the second one gets."""
        _, first = self.follow()
        self.relay.put("one")
        channel, second = self.follow()
        self.relay.put("two")
        self.assertEqual((1, 1), (self.count(first), first.aborts))
        self.assertEqual((2, 0), (self.count(second), second.aborts))
        goAway(channel)
        self.assertFalse(self.relay.outbox.isFollowed)
        self.relay.put("three")
        self.assertEqual(1, len(self.relay.outbox))
