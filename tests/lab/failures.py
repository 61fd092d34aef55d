"""What a test that fails says of the programs that it ran."""

from collections.abc import Callable
from copy import copy
from pathlib import Path

from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.trial.itrial import IReporter, ITestCase
from twisted.trial.unittest import FailTest

LINES = 60
"""The last lines of each log that are shown."""
FILES = 12
"""The last logs that are shown: some tests run a program a hundred times."""


class LogReporter(proxyForInterface(IReporter)):  # type: ignore[misc]
    """
    A reporter to which each failure comes with the logs of its test. A worker of C{trial --jobs}
    sends the text of a failure to the process that prints it, and nothing else.
    """

    def __init__(self, original: object, readLogs: Callable[[], str]) -> None:
        super().__init__(original)
        self._readLogs = readLogs

    def addFailure(self, test: ITestCase, fail: Failure) -> None:
        """See L{IReporter.addFailure}."""
        self.original.addFailure(test, self._explain(fail))

    def addError(self, test: ITestCase, error: Failure) -> None:
        """See L{IReporter.addError}."""
        self.original.addError(test, self._explain(error))

    def _explain(self, failure: Failure) -> Failure:
        logs = self._readLogs()
        if not logs:
            return failure
        message = failure.getErrorMessage()
        if failure.check(AssertionError) is None:
            message = f"{type(failure.value).__name__}: {message}"
        explained = copy(failure)  # with its traceback
        explained.type, explained.value = FailTest, FailTest(f"{message}\n{logs}")
        return explained


def readLogs(folder: Path) -> str:
    """Return the ends of the logs in a folder, the latest last. A browser's data are no logs."""
    found = (path for path in folder.rglob("*.log") if "profile" not in path.parts)
    files = [path for path in found if path.is_file() and path.stat().st_size]
    files.sort(key=lambda path: path.stat().st_mtime)
    shown = [_end(path) for path in files[-FILES:]]
    if len(files) > FILES:
        shown.insert(0, f"(and {len(files) - FILES} logs of programs that ended before)")
    return "\n".join(shown)


def _end(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()
    left = f", the last {LINES} lines of {len(lines)}" if len(lines) > LINES else ""
    return "\n".join((f"--- {path.name}{left}:", *lines[-LINES:]))
