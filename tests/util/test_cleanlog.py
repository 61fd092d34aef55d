"""Tests of L{pkdoors.util.cleanlog}."""

import re
from io import StringIO

from twisted.logger import Logger, LogPublisher, jsonFileLogObserver, textFileLogObserver
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.cleanlog import cleanLog
from tests.util.test_output import NASTY


class CleanLogTests(SynchronousTestCase):
    """
    Tests of L{cleanLog}, with Twisted's own observers.
    """

    def setUp(self) -> None:
        """Make a log."""
        self.publisher = LogPublisher()
        self.text, self.json = StringIO(), StringIO()
        cleanLog(self.publisher)
        cleanLog(self.publisher)
        self.publisher.addObserver(textFileLogObserver(self.text))
        self.publisher.addObserver(jsonFileLogObserver(self.json))
        self.log = Logger("pkdoors.test", observer=self.publisher)

    def lines(self) -> list[str]:
        """Return the lines that were written."""
        lines = self.text.getvalue().split("\n")
        for line in lines:
            self.assertTrue(line.replace("\t", "").isprintable(), ascii(line))
        return lines[:-1]

    def test_clean(self) -> None:
        """A clean line and its fields stay unchanged."""
        self.log.info("opened {door} {{x}} {count}", door="ssh", count=5)
        (line,) = self.lines()
        self.assertTrue(line.endswith("[pkdoors.test#info] opened ssh {x} 5"), line)
        self.assertIn('"door": "ssh"', self.json.getvalue())

    def test_nasty(self) -> None:
        """Each of our own events is one line, whatever it holds: a text, an error, a list."""
        self.log.warn("said {said}", said=NASTY)
        self.log.warn("failed: {error}", error=ValueError(NASTY))
        self.assertEqual(2, len(self.lines()))
        self.assertIn("said a\\x1b[2J\\x1b]0;owned\\x07", self.lines()[0])

    def test_failure(self) -> None:
        """A traceback keeps its line ends and nothing else that controls a terminal."""
        try:
            raise ValueError(NASTY)
        except ValueError:
            self.log.failure("it went wrong with {what}", what=NASTY)
        self.assertIn("owned", self.text.getvalue())
        self.assertIn("Traceback", self.text.getvalue())
        self.assertGreater(len(self.lines()), 3)

    def test_secret(self) -> None:
        """
        A traceback shows no port that an unforeseen error quotes; the places in the code stay.
        """
        for error in (KeyError(17001), ValueError("17001,17203"), TypeError("[17001]")):
            try:
                raise error
            except Exception:
                self.log.failure("it went wrong")
        self.assertNotIn("17001", self.text.getvalue())
        self.assertNotIn("17203", self.text.getvalue())
        self.assertEqual(3, len(re.findall(r"File .*, line [0-9]+", self.text.getvalue())))

    def test_others(self) -> None:
        """Messages of Twisted itself keep their line ends."""
        Logger("twisted.web", observer=self.publisher).info("a\nb\x1b[2J")
        self.assertEqual(2, len(self.lines()))
