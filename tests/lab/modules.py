"""Programs of the tests, run with C{python -m} on a host."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import ROOT
from tests.lab.hosts import Host, Process


@contextmanager
def runModule(
    host: Host, module: str, *arguments: str, stdin: Path | None = None
) -> Iterator[Process]:
    """Run a module that prints C{relaying} or C{sending} when it is ready, and end it after use."""
    command = " ".join([sys.executable, "-m", module, *arguments])
    redirection = f" < {stdin}" if stdin else ""
    process = host.spawn("sh", "-c", f"exec {command}{redirection}", PYTHONPATH=str(ROOT))
    if not process.says("ing"):
        raise AssertionError(process.log())
    try:
        yield process
    finally:
        process.stop()
