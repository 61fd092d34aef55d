"""Tests of L{pkdoors.fleet.relay._sse}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.fleet.relay._sse import MAX_LINE, EventParser

STREAM = (
    ': pkdoors\n\nevent: seal\ndata: {"a": 1}\n\ndata: {"b":\r\ndata: "\u00e9"}\r\n\r\nevent: x\n\n'
)


class EventParserTests(SynchronousTestCase):
    """Tests of the parser."""

    def setUp(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.parser = EventParser(lambda kind, fields: self.heard.append((kind, fields)))

    def test_pieces(self) -> None:
        """However the stream is cut, the same events come of it."""
        data = STREAM.encode()
        for size in (1, 2, 7, len(data)):
            self.heard.clear()
            parser = EventParser(lambda kind, fields: self.heard.append((kind, fields)))
            for start in range(0, len(data), size):
                parser.feed(data[start : start + size])
            self.assertEqual([("seal", {"a": 1}), ("", {"b": "\u00e9"})], self.heard)

    def test_bad(self) -> None:
        """What is no stream of JSON objects is an error, and takes no memory."""
        for data in (b"data: 7\n\n", b"data: {\n\n", bytes(MAX_LINE + 1)):
            parser = EventParser(lambda kind, fields: None)
            self.assertRaises(ValueError, parser.feed, data)
