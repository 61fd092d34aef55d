"""Tests of L{pkdoors.daemon.process.journal} and L{pkdoors.daemon.process.jsonlog}."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import mkdtemp

from twisted.logger import (
    Logger,
    LogLevel,
    globalLogPublisher,
    jsonFileLogObserver,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.process.journal import JournalObserver, isJournal
from pkdoors.daemon.process.jsonlog import formatJson, makeJsonObserver
from pkdoors.daemon.process.options import Options
from pkdoors.events.event import LOGGED, OPENED, REFUSED, fields
from pkdoors.events.publisher import EventPublisher
from pkdoors.model.principal import Principal
from tests.fakes.doors import makeDoor

DOOR = makeDoor(name="ssh")
ANNA = Principal("anna\nlaptop", "SHA256:abc")
NAME = "pkdoors.events.publisher.EventPublisher"


def read(datagram: bytes) -> Iterator[tuple[str, str]]:
    """Read the journal's native format, as systemd.io describes it."""
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(datagram[:8], "little")
            value, newline, datagram = (
                datagram[8:][:size],
                datagram[8 + size :][:1],
                datagram[9 + size :],
            )
            assert newline == b"\n"
        yield name.decode(), value.decode()


class JournalTestCase(SynchronousTestCase):
    """With a journal, and standard error."""

    def setUp(self) -> None:
        """Listen as the journal does."""
        folder = mkdtemp()  # a short path: a socket's may not be long
        self.path = f"{folder}/s"
        self.addCleanup(os.rmdir, folder)
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.journal.close)
        self.journal.bind(self.path)
        self.addCleanup(lambda: Path(self.path).unlink(missing_ok=True))
        self.journal.setblocking(False)
        self.errors = b""
        observer = JournalObserver(self.path, self.write)
        self.addCleanup(observer._socket.close)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def write(self, descriptor: int, data: bytes) -> int:
        """Write to standard error."""
        self.assertEqual(2, descriptor)
        self.errors += data
        return len(data)

    def heard(self) -> dict[str, str]:
        """Return the fields of the next event in the journal."""
        return dict(read(self.journal.recv(1 << 20)))


class JournalTests(JournalTestCase):
    """Tests of L{JournalObserver}."""

    def test_event(self) -> None:
        """An event has its fields, without those that are empty, and without a time."""
        EventPublisher().publish(OPENED, door=DOOR, source="192.0.2.7", seconds=30.0, who=ANNA)
        heard = self.heard()
        self.assertTrue(heard["MESSAGE"].startswith("opened door ssh (22/tcp) for 192.0.2.7"))
        del heard["MESSAGE"]
        expected = {
            "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "pkdoors",
            "PKDOORS_LOGGER": NAME,
            "PKDOORS_EVENT": "opened",
            "PKDOORS_DOOR": "ssh",
            "PKDOORS_SOURCE": "192.0.2.7",
            "PKDOORS_PORTS": "22/tcp",
            "PKDOORS_SECONDS": "30.0",
            "PKDOORS_USER": "anna\nlaptop",
            "PKDOORS_KEY": "SHA256:abc",
        }
        self.assertEqual(expected, heard)
        self.assertEqual(b"", self.errors)

    def test_priorities(self) -> None:
        """Each level has a priority."""
        levels = LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical
        for level, priority in zip(levels, "76433", strict=True):
            Logger("x").emit(level, "said {what}", what="a=b")
            heard = self.heard()
            self.assertEqual(("said a=b", priority), (heard["MESSAGE"], heard["PRIORITY"]))

    def test_traceback(self) -> None:
        """A mistake of ours is one entry with its traceback."""
        Logger("x").failure("went wrong", Failure(ZeroDivisionError("oops")))
        self.assertIn("went wrong\nTraceback", self.heard()["MESSAGE"])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_notThere(self) -> None:
        """If the journal is away or full, lines with a priority go to standard error."""
        os.unlink(self.path)
        Logger("x").warn("one\ntwo")
        self.assertEqual(b"<4>one\n<4>two\n", self.errors)

    def test_full(self) -> None:
        """It never waits for a journal that does not read."""
        for _ in range(10_000):
            Logger("x").info("x" * 1000)
            if self.errors:
                break
        self.assertEqual(b"<6>" + b"x" * 1000 + b"\n", self.errors)


class StreamTests(SynchronousTestCase):
    """Tests of L{isJournal}, and of errors before the log begins."""

    def test_stream(self) -> None:
        """The variable must name the connection itself: a child may have another."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        status = os.fstat(writing)
        for value, expected in (
            (f"{status.st_dev}:{status.st_ino}", True),
            (f"{status.st_dev}:{status.st_ino + 1}", False),
            ("", False),
        ):
            self.assertIs(expected, isJournal({"JOURNAL_STREAM": value}, writing))
        self.assertFalse(isJournal({}, writing))
        os.close(writing)
        self.assertFalse(isJournal({"JOURNAL_STREAM": "1:2"}, writing))

    def test_early(self) -> None:
        """A start that fails is an error in the journal, too."""
        status = os.fstat(2)
        for stream, beginning in (
            (f"{status.st_dev}:{status.st_ino}", "<3>pkdoors: option --x"),
            ("", "pkdoors: option --x"),
        ):
            options = Options({"JOURNAL_STREAM": stream})
            self.patch(options, "keepClosed", lambda: "")
            with redirect_stderr(StringIO()) as stderr:
                self.assertRaises(SystemExit, options.parseOptions, ["--x"])
            self.assertTrue(stderr.getvalue().startswith(beginning), stderr.getvalue())


class JsonTests(SynchronousTestCase):
    """The log as JSON, ours and Twisted's."""

    def logged(self, ours: bool) -> dict[str, object]:
        """Return what an event becomes."""
        written = StringIO()
        observer = (
            makeJsonObserver(written) if ours else jsonFileLogObserver(written, recordSeparator="")
        )
        globalLogPublisher.addObserver(observer)
        publisher = EventPublisher(lambda: 1.0)
        events: list[dict[str, object]] = []
        publisher.subscribe(lambda event: events.append(fields(event)))
        publisher.publish(REFUSED, door=DOOR, source="192.0.2.7", who=ANNA, reason="a wrong knock")
        globalLogPublisher.removeObserver(observer)
        line = json.loads(written.getvalue())
        self.assertEqual(1, written.getvalue().count("\n"))
        self.assertEqual(
            {name: events[0][name] for name in LOGGED}, {name: line[name] for name in LOGGED}
        )
        assert isinstance(line, dict)
        return line

    def test_ours(self) -> None:
        """A line has the fields of the audit file, the level and the text."""
        line = self.logged(True)
        self.assertEqual({"time", "level", "logger", "text", *LOGGED}, {*line})
        self.assertEqual(("info", NAME), (line["level"], line["logger"]))
        self.assertTrue(str(line["text"]).startswith("refused door ssh"), line)
        self.assertRegex(str(line["time"]), r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")

    def test_twisted(self) -> None:
        """C{twistd --logger=twisted.logger.jsonFileLogObserver} keeps the fields, too."""
        self.logged(False)

    def test_nothing(self) -> None:
        """An event without a text has no line."""
        self.assertIsNone(formatJson({}))
