"""Tests of L{tests.lab.failures}."""

from collections.abc import Callable
from pathlib import Path

from twisted.python.failure import Failure
from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase

from tests.lab.failures import FILES, LINES, LogReporter, readLogs


class LogTests(SynchronousTestCase):
    """
    Tests of L{LogReporter} and L{readLogs}.
    """

    def setUp(self) -> None:
        """Have a folder of logs."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def log(self, name: str, lines: int) -> None:
        """Write one."""
        text = "".join(f"{name} {number}\n" for number in range(lines))
        (self.folder / f"{name}.log").write_text(text)

    def failureOf(self, fail: Callable[[], object]) -> Failure:
        """Return what a reporter gets of a test that does this."""

        class FailingTests(SynchronousTestCase):
            def test_it(self) -> None:
                fail()

        result = TestResult()
        FailingTests("test_it").run(LogReporter(result, lambda: readLogs(self.folder)))
        ((_, failure),) = result.failures + result.errors
        assert isinstance(failure, Failure)
        return failure

    def decode(self) -> str:
        """Raise an error that cannot be made of a text."""
        return b"\xff".decode("ascii")

    def test_failure(self) -> None:
        """A failure has its message, its place, and the logs."""
        self.log("server", 1)
        failure = self.failureOf(lambda: self.assertEqual(1, 2))
        self.assertIn("1 != 2\n--- server.log:\nserver 0", failure.getErrorMessage())
        self.assertIn("in test_it", failure.getTraceback())

    def test_error(self) -> None:
        """So has an error, and its kind is told."""
        self.log("server", 1)
        failure = self.failureOf(self.decode)
        self.assertIn("UnicodeDecodeError: 'ascii' codec", failure.getErrorMessage())
        self.assertIn("server 0", failure.getErrorMessage())

    def test_none(self) -> None:
        """Without logs it is as it was, also if there is no folder any more."""
        failure = self.failureOf(self.decode)
        self.assertTrue(failure.check(UnicodeDecodeError))
        self.folder.rmdir()
        self.assertEqual("", readLogs(self.folder))

    def test_browser(self) -> None:
        """What a browser keeps in its profile is not shown, whatever its name."""
        profile = self.folder / "browser-0" / "profile" / "Default"
        profile.mkdir(parents=True)
        (profile / "000003.log").write_text("a database")
        (self.folder / "browser-0" / "chromedriver.log").write_text("a log")
        self.assertEqual("--- chromedriver.log:\na log", readLogs(self.folder))

    def test_bounds(self) -> None:
        """The last lines of each are shown, and the last logs."""
        self.log("a", LINES + 7)
        shown = readLogs(self.folder)
        self.assertIn(f"--- a.log, the last {LINES} lines of {LINES + 7}:\na 7\n", shown)
        for number in range(FILES):
            self.log(f"b{number}", 1)
        shown = readLogs(self.folder)
        self.assertTrue(shown.startswith("(and 1 logs of programs that ended before)\n---"), shown)
        self.assertNotIn("a.log", shown)
