"""
Runs C{twistd} with a heartbeat in its reactor, which notes when others held the reactor::

    python -m bench.grow._heartbeat FILE -n pkdoors ...

Each line of the file is the time of day, the milliseconds that the heart missed, and the processor
time that the reactor's thread used meanwhile. If C{STACKS} is set in the environment, it is
followed by where the thread was found most of the time, and by collections of garbage.
"""

import gc
import os
import signal
import sys
import time
from collections import Counter
from types import FrameType
from typing import Any, TextIO

EVERY = 0.002
"""Seconds between two beats."""
LEAST = 0.003
"""Seconds that are noted."""


class Heart:
    """
    Beats.

    @param file: where it writes what it missed.
    """

    def __init__(self, reactor: Any, file: TextIO) -> None:
        self._reactor = reactor
        self._file = file
        self._due = time.monotonic() + EVERY
        self._cost = time.thread_time()
        self._began = 0.0
        self.places: Counter[str] = Counter()

    def beat(self) -> None:
        """Note how late this beat is."""
        now, cost = time.monotonic(), time.thread_time()
        if now - self._due > LEAST:
            places = "; ".join(place for place, _ in self.places.most_common(3))
            missed, used = 1000 * (now - self._due), 1000 * (cost - self._cost)
            line = f"{time.time():.4f} {missed:.2f} {used:.2f} {places}"
            print(line, file=self._file, flush=True)
        self.places.clear()
        self._due, self._cost = time.monotonic() + EVERY, time.thread_time()
        self._reactor.callLater(EVERY, self.beat)

    def noteCollection(self, phase: str, info: dict[str, int]) -> None:
        """Note a collection of garbage, which no other thread can see."""
        now = time.thread_time()
        if phase == "start":
            self._began = now
        elif now - self._began > LEAST:
            took = 1000 * (now - self._began)
            self.places[f"collection {info['generation']}: {took:.1f} ms"] = sys.maxsize

    def look(self, _: int, frame: FrameType | None) -> None:
        """
        Hear of a signal, and note where the reactor's thread is. Another thread that looks at its
        frames can crash Python 3.11.
        """
        self.places[_describe(frame)] += 1


def _describe(frame: FrameType | None) -> str:
    """Return the innermost functions of ours."""
    names: list[str] = []
    while frame is not None and len(names) < 6:
        if "pkdoors" in frame.f_code.co_filename:
            names.append(f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_code.co_name}")
        frame = frame.f_back
    return "<".join(names)


def main() -> None:
    """Run it."""
    file = sys.argv.pop(1)
    sys.argv[0] = "twistd"
    from twisted.scripts.twistd import run

    from pkdoors.daemon.process.setup import takeReactor

    reactor = takeReactor()
    heart = Heart(reactor, open(file, "a"))  # as long as the process lives
    reactor.callWhenRunning(heart.beat)
    if os.environ.get("STACKS"):
        gc.callbacks.append(heart.noteCollection)
        signal.signal(signal.SIGALRM, heart.look)
        signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
    run()


if __name__ == "__main__":
    main()
