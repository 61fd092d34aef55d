"""Programs that print one line to standard error, and end."""

from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase


def refusal(
    test: SynchronousTestCase,
    status: int,
    work: Callable[..., object],
    *arguments: Any,
    **more: Any,
) -> str:
    """Return the line that some work prints before it ends the process with a status."""
    with redirect_stderr(StringIO()) as stderr:
        end = test.assertRaises(SystemExit, work, *arguments, **more)
    line = stderr.getvalue()
    test.assertEqual((status, 1), (end.code, line.count("\n")), line)
    return line.removesuffix("\n")
