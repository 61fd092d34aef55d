"""Tests of L{pkdoors.admin._eventstream}."""

import gc
import json
from typing import Any

from twisted.web.http import HTTPChannel

from pkdoors.admin._eventstream import MAX_BACKLOG, MAX_STREAMS
from tests.admin.case import DOOR, AdminTestCase, Connection, goAway, leave


class EventCase(AdminTestCase):
    """Has clients that follow."""

    def follow(self, query: str = "", seen: str = "") -> tuple[HTTPChannel, Connection]:
        """
        Connect a client that follows.

        @param seen: the header by which a browser continues.
        """
        channel, transport = self.connect()
        header = f"Last-Event-ID: {seen}\r\n" if seen else ""
        head = f"GET /events{query} HTTP/1.1\r\nHost: pkdoors\r\n{header}\r\n"
        channel.dataReceived(head.encode())
        self.turn(2)
        return channel, transport

    def received(self, transport: Connection) -> list[dict[str, Any]]:
        """Return the events that a client has received."""
        lines = transport.value().decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


class EventStreamTests(EventCase):
    """Tests of clients that follow the events."""

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
        self.assertRegex(one.value(), rb"\nid: [0-9a-f]{16}-2\nevent: opened\ndata: {")
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

    def test_readsSlowly(self) -> None:
        """A client that reads slowly is not dropped, however much has waited for it in all."""
        _, transport = self.follow()
        for _ in range(4):
            transport.isFull = True
            for _ in range(MAX_BACKLOG // 800):
                self.operations.publish("x" * 100)
            transport.isFull = False
            transport.readAgain()
        self.assertGreater(len(transport.value()), 1.5 * MAX_BACKLOG)
        self.assertEqual(0, transport.aborts)

    def test_most(self) -> None:
        """The number of streams is bounded; when one ends, there is room."""
        channels = [self.follow()[0] for _ in range(MAX_STREAMS)]
        error = "64 clients follow the events, which is the limit: try again"
        self.assertEqual((503, {"error": error}), self.ask("GET", "/events"))
        self.assertEqual(MAX_STREAMS, self.operations.followers)
        goAway(channels[5])
        self.assertIn(b"200 OK", self.follow()[1].value())


class PastTests(EventCase):
    """Clients that ask for past events."""

    def names(self, transport: Connection) -> list[str]:
        """Return the users of the events that a client has received."""
        return [event["user"] for event in self.received(transport) if "user" in event]

    def missed(self, transport: Connection) -> list[int | None]:
        """Return what a client was told to have missed."""
        return [event["count"] for event in self.received(transport) if "count" in event]

    def lastID(self, transport: Connection) -> str:
        """Return the id that a browser would send to continue."""
        text: str = transport.value().decode()
        return [line[4:] for line in text.splitlines() if line.startswith("id: ")][-1]

    def publish(self, *names: str) -> None:
        """Publish an event about each."""
        for name in names:
            self.operations.publish(name)

    def test_last(self) -> None:
        """The stream begins with the last events, and then has each as it happens."""
        self.publish(*"abc")
        for count, expected in ((0, []), (2, ["b", "c"]), (99, ["a", "b", "c"])):
            _, transport = self.follow(f"?last={count}")
            self.assertEqual(expected, self.names(transport))
        self.publish("d")
        self.assertEqual(["a", "b", "c", "d"], self.names(transport))
        self.assertEqual([], self.missed(transport))

    def test_continue(self) -> None:
        """Whoever continues gets what came since, with the header or the argument."""
        self.publish("a", "b")
        channel, transport = self.follow("?last=1")
        seen = self.lastID(transport)
        goAway(channel)
        self.publish("c", "d")
        for query, header in ((f"?after={seen}", ""), ("", seen), ("?last=50&after=x-1", seen)):
            _, again = self.follow(query, header)
            self.assertEqual((["c", "d"], []), (self.names(again), self.missed(again)))
        self.publish("e")
        self.assertEqual(["c", "d", "e"], self.names(again))

    def test_heardNothing(self) -> None:
        """A client that has heard no event yet continues from where it began."""
        for query in ("?last=10", "", "?last=0"):
            channel, transport = self.follow(query)
            seen = self.lastID(transport)
            goAway(channel)
            self.publish("a")
            self.assertEqual(["a"], self.names(self.follow(f"?after={seen}")[1]))

    def test_missed(self) -> None:
        """If some are no longer kept, the stream says how many, and goes on after them."""
        self.publish("a")
        seen = self.lastID(self.follow("?last=1")[1])
        self.publish(*map(str, range(2000)))
        _, transport = self.follow("", seen)
        names = self.names(transport)
        self.assertEqual([*map(str, range(2000 - len(names), 2000))], names)
        self.assertEqual([2000 - len(names)], self.missed(transport))
        self.assertIn(b"\n\nevent: missed\ndata: {", transport.value())
        again = self.follow("", self.lastID(transport))[1]
        self.assertEqual(([], []), (self.names(again), self.missed(again)))

    def test_missedNow(self) -> None:
        """A client that goes away right after it was told continues with what it was not sent."""
        self.publish("a")
        seen = self.lastID(self.follow("?last=1")[1])
        self.publish(*map(str, range(2000)))
        head = self.follow("", seen)[1].value().decode().partition("event: opened")[0]
        first = next(line[4:] for line in head.splitlines() if line.startswith("id: "))
        again = self.follow("", first)[1]
        self.assertEqual([], self.missed(again))
        self.assertEqual("1999", self.names(again)[-1])

    def test_restarted(self) -> None:
        """If the id is of another run of the daemon, nobody can tell how many are missed."""
        self.publish("a", "b")
        for seen in ("90aa3c41b2d1e877-1", "nonsense", "1", 3000 * "9"):
            _, transport = self.follow("", seen)
            self.assertEqual((["a", "b"], [None]), (self.names(transport), self.missed(transport)))

    def test_arguments(self) -> None:
        """Other arguments are refused, and nobody follows then."""
        for query, sentence in (
            ("?last=-1", "last: '-1' is not a number from 0 to 999999"),
            ("?last=", "last: '' is not a number from 0 to 999999"),
            ("?after=", "after: '' is not a string, or is empty"),
            ("?first=1", "unknown argument 'first': allowed are last, after"),
            ("?last=1&last=1", "an argument is given twice: give each once"),
        ):
            self.assertEqual((400, sentence), self.refused("GET", f"/events{query}"))
        self.assertEqual(0, self.operations.followers)

    def test_slowPast(self) -> None:
        """All past events, in order, reach a client that reads slowly; then come the new ones."""
        self.publish(*map(str, range(2000)))
        channel, transport = self.connect()
        transport.isFull = True
        channel.dataReceived(b"GET /events?last=9999 HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.turn(2)
        few = len(self.names(transport))
        self.publish("x")
        for _ in range(9):
            transport.readAgain()
        names = self.names(transport)
        self.assertEqual([*map(str, range(2001 - len(names), 2000)), "x"], names)
        self.assertTrue(few < len(names) - 100, (few, len(names)))
        self.assertEqual(0, transport.aborts)
