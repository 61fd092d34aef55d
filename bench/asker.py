"""
Asks the daemon over its admin socket, again and again, and writes how long each answer took.

A process of its own, so that what else a benchmark does is not measured with it::

    python -m bench.asker SOCKET
"""

import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from types import FrameType

from bench.common import Times
from tests.lab.hosts import Process

PAUSE = 0.02
"""Seconds between an answer and the next question."""

PATHS = ("/nothing",) * 4 + ("/status",)
"""What is asked for. There is no such thing as the first."""

PATIENCE = 60.0
"""Seconds after which an answer is not waited for any more."""


class Answers:
    """
    How long answers took, when they have all come: milliseconds of each.

    @ivar reactor: of those that cost nothing, so that it is the reactor which they waited for.
    @ivar status: of C{GET /status}, which tells all openings.
    @ivar noise: by how much a sleep of this process lasted longer than it was to, which is what
        others on the machine do to any process, the daemon too.
    """

    def __init__(self) -> None:
        self.reactor: list[float | None] = []
        self.status: list[float | None] = []
        self.noise: list[float | None] = []

    def rows(self, name: str) -> Times:
        """All of them, for the table."""
        kinds = {"reactor": self.reactor, "status": self.status, "noise": self.noise}
        return {f"{name}: {kind}": times for kind, times in kinds.items()}


@contextmanager
def asking(admin: Path, output: Path) -> Iterator[Answers]:
    """Ask meanwhile, in another process."""
    answers = Answers()
    process = Process([sys.executable, "-m", "bench.asker", str(admin)], output, {})
    try:
        if not process.says("\n"):
            raise AssertionError(f"nobody answers: {process.log()}")
        yield answers
    finally:
        process.stop()
    for line in process.log().splitlines():
        path, took, late = line.split()
        (answers.status if path == "/status" else answers.reactor).append(float(took))
        answers.noise.append(float(late))


def asked(admin: str, path: str) -> str:
    """One question, and its answer."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(admin)
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: pkdoors\r\nConnection: close\r\n\r\n".encode()
        )
        while part := connection.recv(1 << 20):
            answer += part
    return answer.decode()


def main() -> None:
    """Ask until SIGTERM comes."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    with suppress(KeyboardInterrupt):
        for path in cycle(PATHS):
            began = time.perf_counter()
            asked(sys.argv[1], path)
            answered = time.perf_counter()
            time.sleep(PAUSE)
            late = time.perf_counter() - answered - PAUSE
            print(path, 1000 * (answered - began), 1000 * late, flush=True)


if __name__ == "__main__":
    main()
