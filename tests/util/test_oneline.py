"""Tests of L{pkdoors.util.oneline}."""

import json

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.oneline import formatJSONLine, limitLines, oneLine

NASTY = "a\nb\r\x00\x1b[2J\x7f\x85\u2028\u2029\u202e\ud800\U000e0001z"
"""
Characters that end a line, move the cursor or change the writing direction, and lone surrogates.
"""


class OneLineTests(SynchronousTestCase):
    """
    Tests of L{oneLine}.
    """

    def test_plain(self) -> None:
        """Letters of all scripts, signs and spaces stay."""
        for text in ("", "anna@laptop", "Zoë, 安娜 🚪 'q' \"x\" \\ $(x) -rf"):
            self.assertEqual(text, oneLine(text, 99))

    def test_nasty(self) -> None:
        """Every other character becomes a question mark."""
        self.assertEqual("a?b???[2J???????z", oneLine(NASTY, 99))
        self.assertTrue(all(oneLine(chr(each), 1) == "?" for each in range(32)))

    def test_bound(self) -> None:
        """The text is cut at the given length."""
        self.assertEqual("aaa", oneLine("a" * 9, 3))


class ForemostTests(SynchronousTestCase):
    """
    Tests of L{limitLines}.
    """

    def test_few(self) -> None:
        """As many as fit are told."""
        self.assertEqual(["a", "b"], limitLines(["a", "b"], "lines", 2))

    def test_many(self) -> None:
        """Of more, the last line counts the others."""
        self.assertEqual(["a", "b", "and 3 more lines"], limitLines([*"abcde"], "lines", 2))


class JsonLineTests(SynchronousTestCase):
    """
    Tests of L{formatJSONLine}.
    """

    def test_plain(self) -> None:
        """Keys stay in order, and letters of all scripts stay as they are."""
        self.assertEqual(
            '{"b": "Zoë", "a": [1.5, ""]}', formatJSONLine({"b": "Zoë", "a": [1.5, ""]})
        )

    def test_nasty(self) -> None:
        """Any value gives one line of visible characters that means the same."""
        line = formatJSONLine({"user": NASTY, NASTY: '"\\'})
        self.assertTrue(line.isprintable(), line)
        self.assertEqual({"user": NASTY, NASTY: '"\\'}, json.loads(line))
        line.encode()

    def test_everyCharacter(self) -> None:
        """This holds for every character that exists."""
        for first in range(0, 0x110000, 0x1000):
            text = "".join(map(chr, range(first, first + 0x1000)))
            line = formatJSONLine({"user": text})
            self.assertTrue(line.isprintable(), hex(first))
            self.assertEqual([line], line.splitlines())
            # A pair of surrogates is one character in JSON.
            self.assertEqual(_joined(text), _joined(json.loads(line)["user"]), hex(first))


def _joined(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
