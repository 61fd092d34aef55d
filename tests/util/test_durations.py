"""Tests of L{pkdoors.util.durations}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.util.durations import (
    MAX_DURATION,
    formatDuration,
    formatLength,
    formatWait,
    parseDuration,
)
from pkdoors.util.quoting import shown


class ParseDurationTests(SynchronousTestCase):
    """
    Tests of L{parseDuration}.
    """

    def test_good(self) -> None:
        """Every form of a time can be read."""
        good = {
            "45": 45.0,
            "45s": 45.0,
            "10m": 600.0,
            "8h": 28800.0,
            "1h30m": 5400.0,
            "1h30m15s": 5415.0,
            "1h15s": 3615.0,
            "2m500ms": 120.5,
            "90m": 5400.0,
            "1s250ms": 1.25,
            "1": 1.0,
            "720h": 2592000.0,
            "30d": 2592000.0,
            "7d": 604800.0,
            "1d12h": 129600.0,
            "1d1ms": 86400.001,
            " 5s ": 5.0,
            "007": 7.0,
        }
        self.assertEqual(good, {text: parseDuration(text) for text in good})

    def test_bad(self) -> None:
        """Anything else is refused."""
        bad = [
            "",
            " ",
            "s",
            "h",
            "x",
            "ten",
            "-1",
            "-5s",
            "+5",
            "1.5",
            "1.5h",
            "1e3",
            "5 s",
            "5w",
            "1h1d",
            "1d1d",
            "1d12",
            "1D",
            "30m1h",
            "1h1h",
            "1m30",
            "1h30",
            "1S",
            "nan",
            "inf",
            "٣",
            "²",
            "1\n2",
            "5s;",
        ]
        for text in bad:
            error = self.assertRaises(BadValue, parseDuration, text)
            self.assertTrue(str(error).startswith(f"{shown(text)} is not a time"), text)

    def test_message(self) -> None:
        """The message names the value, the bounds and the form of a time."""
        error = self.assertRaises(BadValue, parseDuration, "ten")
        self.assertEqual(
            "'ten' is not a time from 1s to 30d: write it like 45, 45s, 10m, 8h, 7d or 1h30m",
            str(error),
        )

    def test_tooShort(self) -> None:
        """Less than a second is refused unless the caller allows it."""
        self.assertRaises(BadValue, parseDuration, "0")
        self.assertRaises(BadValue, parseDuration, "999ms")
        self.assertEqual(0.0, parseDuration("0", least=0))
        self.assertEqual(0.02, parseDuration("20ms", least=0))

    def test_tooLong(self) -> None:
        """More than 30 days is refused, however absurd, and so is more than a lower bound."""
        self.assertEqual(2_592_000.0, MAX_DURATION)
        for text in ("2592001", "721h", "31d", "30d1ms", "999999999", "999999999h", "999999999d"):
            self.assertRaises(BadValue, parseDuration, text)
        for text in ("9" * 1000, "9" * 1000 + "h", "9" * 1000 + "d"):
            self.assertRaises(BadValue, parseDuration, text)
        self.assertRaises(BadValue, parseDuration, "11s", 0, 10)
        self.assertEqual(10.0, parseDuration("10s", 0, 10))

    def test_oneLine(self) -> None:
        """Whatever the value, the message is one line."""
        self.assertNotIn("\n", str(self.assertRaises(BadValue, parseDuration, "1\n2\r3")))


class FormatOthersTests(SynchronousTestCase):
    """
    Tests of L{formatLength} and L{formatWait}.
    """

    def test_length(self) -> None:
        """A length is rounded to the second, and never below 0."""
        found = [formatLength(seconds) for seconds in (-3.0, 0.4, 4.6, 252.2)]
        self.assertEqual(["0s", "0s", "5s", "4m12s"], found)

    def test_wait(self) -> None:
        """After the time that is named, nobody has to wait any more."""
        found = [formatWait(seconds) for seconds in (-3.0, 0.0, 0.1, 5.0, 5.01, 119.5)]
        self.assertEqual(["0s", "0s", "1s", "5s", "6s", "2m"], found)


class FormatDurationTests(SynchronousTestCase):
    """
    Tests of L{formatDuration}.
    """

    def test_format(self) -> None:
        """Times are written in the largest units."""
        written = {
            0.0: "0s",
            0.02: "20ms",
            1.0: "1s",
            1.25: "1s250ms",
            45.0: "45s",
            60.0: "1m",
            90.0: "1m30s",
            5400.0: "1h30m",
            3615.0: "1h15s",
            86400.0: "1d",
            129600.0: "1d12h",
            2592000.0: "30d",
        }
        self.assertEqual(written, {seconds: formatDuration(seconds) for seconds in written})

    def test_roundTrip(self) -> None:
        """A formatted time can be parsed again."""
        random_ = random.Random(20261105)
        for _ in range(1000):
            seconds = random_.randrange(1000, 2_592_000_000) / 1000
            self.assertEqual(seconds, parseDuration(formatDuration(seconds)))
