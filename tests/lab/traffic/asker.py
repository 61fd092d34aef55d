"""
Asks the daemon over its admin socket, again and again, and writes how long each answer took.

It is a process of its own, so its figures do not include what else a benchmark does::

    python -m tests.lab.traffic.asker SOCKET
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

from tests.lab.hosts import Process

PAUSE = 0.02
"""Seconds between an answer and the next question."""

PATHS = ("/nothing",) * 4 + ("/status",)
"""The questions. The first path does not exist."""

PATIENCE = 60.0
"""Seconds to wait for an answer."""


class Answers:
    """
    Milliseconds that each answer took, once all of them have come.

    @ivar reactor: for answers that cost nothing, so they waited for the reactor only.
    @ivar status: for C{GET /status}, which lists all openings.
    @ivar noise: how much too long a sleep of the asking process lasted. Others on the machine do
        the same to every process, the daemon included.
    """

    def __init__(self) -> None:
        self.reactor: list[float | None] = []
        self.status: list[float | None] = []
        self.noise: list[float | None] = []

    def rows(self, name: str) -> dict[str, list[float | None]]:
        """Return all of them, by name."""
        kinds = {"reactor": self.reactor, "status": self.status, "noise": self.noise}
        return {f"{name}: {kind}": times for kind, times in kinds.items()}


@contextmanager
def keepAsking(admin: Path, output: Path) -> Iterator[Answers]:
    """Ask meanwhile, in another process."""
    answers = Answers()
    process = Process([sys.executable, "-m", "tests.lab.traffic.asker", str(admin)], output, {})
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


def ask(admin: str, path: str) -> str:
    """Ask one question, and return the answer."""
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
            ask(sys.argv[1], path)
            answered = time.perf_counter()
            time.sleep(PAUSE)
            late = time.perf_counter() - answered - PAUSE
            print(path, 1000 * (answered - began), 1000 * late, flush=True)


if __name__ == "__main__":
    main()
