"""Tests of L{pkdoors.admin._eventstream}."""

import gc
import json
from typing import Any

from twisted.web.http import HTTPChannel

from pkdoors.admin._eventstream import MAX_BACKLOG, MAX_STREAMS
from tests.admin.case import DOOR, AdminTestCase, Connection, goAway, leave


class EventStreamTests(AdminTestCase):
    """Tests of clients that follow the events."""

    def follow(self) -> tuple[HTTPChannel, Connection]:
        """Connect a client that follows."""
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn(2)
        return channel, transport

    def received(self, transport: Connection) -> list[dict[str, Any]]:
        """Return the events that a client has received."""
        lines = transport.value().decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    def test_begins(self) -> None:
        """A client that follows gets a first line at once."""
        _, transport = self.follow()
        head, _, rest = transport.value().partition(b"\r\n\r\n")
        self.assertIn(b"content-type: text/event-stream", head.lower())
        self.assertIn(b": pkdoors\n\n", rest)

    def test_sends(self) -> None:
        """Every client gets each event, from then on, as it happens."""
        self.operations.publish("before")
        _, one = self.follow()
        self.operations.publish("anna")
        _, two = self.follow()
        self.operations.publish("bob")
        self.assertEqual(["anna", "bob"], [event["user"] for event in self.received(one)])
        self.assertEqual(["bob"], [event["user"] for event in self.received(two)])
        self.assertIn(b"event: opened\ndata: {", one.value())
        self.assertEqual(DOOR.name, self.received(one)[0]["door"])

    def test_hostileName(self) -> None:
        """The comment of a key cannot forge another event."""
        _, transport = self.follow()
        self.operations.publish("a\n\nevent: closed\ndata: {}\r\r\u2028\x85")
        self.assertEqual(1, transport.value().count(b"\ndata: "))
        self.assertEqual(1, transport.value().count(b"event: opened\n"))
        (event,) = self.received(transport)
        self.assertEqual("a\n\nevent: closed\ndata: {}\r\r\u2028\x85", event["user"])

    def test_gone(self) -> None:
        """A client that has gone gets nothing more, and takes no memory."""
        channel, transport = self.follow()
        goAway(channel)
        self.operations.publish()
        self.assertEqual((0, []), (self.operations.followers, self.received(transport)))

    def test_freed(self) -> None:
        """What was sent to it is freed without Python's collector."""
        gc.disable()
        self.addCleanup(gc.enable)
        _, transport = self.follow()
        self.assertIsNone(leave(transport)())

    def test_slow(self) -> None:
        """A client that reads slowly gets all events, in order."""
        _, transport = self.follow()
        transport.isFull = True
        for number in range(50):
            self.operations.publish(str(number))
        self.assertEqual(1, len(self.received(transport)))
        transport.readAgain()  # and is full again after one
        self.assertEqual(2, len(self.received(transport)))
        transport.isFull = False
        transport.readAgain()
        self.operations.publish("50")
        self.assertEqual([str(n) for n in range(51)], [e["user"] for e in self.received(transport)])
        self.assertEqual(0, transport.aborts)

    def test_doesNotRead(self) -> None:
        """A client that does not read is dropped, once, at the bound; others are not."""
        _, other = self.follow()
        channel, transport = self.follow()
        transport.isFull = True
        count = 0
        while not transport.aborts and count < 10_000:
            self.operations.publish("x" * 100)
            count += 1
        size = max(map(len, other.value().split(b"event: ")))
        self.assertLess(abs(MAX_BACKLOG - count * size), 0.1 * MAX_BACKLOG)
        for _ in range(100):
            self.operations.publish()
        self.assertEqual(1, transport.aborts)
        (warning,) = (line for line in self.log.lines() if "follows the events" in line)
        self.assertTrue(warning.endswith("does not read them, and was dropped"), warning)
        goAway(channel)
        self.assertEqual(1, self.operations.followers)
        self.assertEqual(count + 100, len(self.received(other)))

    def test_most(self) -> None:
        """The number of streams is bounded; when one ends, there is room."""
        channels = [self.follow()[0] for _ in range(MAX_STREAMS)]
        error = "64 clients follow the events, which is the limit: try again"
        self.assertEqual((503, {"error": error}), self.ask("GET", "/events"))
        self.assertEqual(MAX_STREAMS, self.operations.followers)
        goAway(channels[5])
        self.assertIn(b"200 OK", self.follow()[1].value())
