"""Many clients at a time, through raw sockets: they knock, and watch for their port's answer."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from tests.lab.traffic.prober import Prober

PACE = 0.0002
"""Seconds between two datagrams, and between two tries to connect, of all clients together. With n
clients waiting, each of them tries once in n times this, which is the resolution of its time."""


class Crowd(Prober):
    """Clients that knock at the same time, each from an address of its own."""

    def gather(self, count: int) -> list[IPv4Address]:
        """Return so many addresses that never knocked before."""
        return [self.fresh() for _ in range(count)]

    def approach(self, sources: Iterable[IPv4Address], payload: bytes = b"knock\n") -> None:
        """Send all knocks but the last."""
        for source in sources:
            for port in self._sequence[:-1]:
                self.send(source, port, payload)
                time.sleep(PACE)

    def arrive(self, source: IPv4Address, payload: bytes = b"knock\n") -> None:
        """Send the last knock."""
        self.send(source, self._sequence[-1], payload)

    def finish(
        self, sources: list[IPv4Address], seconds: float, patience: float
    ) -> list[float | None]:
        """
        Send the last knock of each, spread evenly over so many seconds.

        @param patience: seconds after the last of them in which a port must answer.
        @return: milliseconds of each client from just before its last knock to the first answer,
            in the order of the answers; L{None} for a client without an answer.
        """
        began = time.perf_counter()
        coming = deque(
            (began + seconds * number / len(sources), source)
            for number, source in enumerate(sources)
        )
        knocked: dict[IPv4Address, float] = {}
        times: list[float | None] = []
        for now in self._connectByTurns(knocked, times, began + seconds + patience):
            while coming and now >= coming[0][0]:
                source = coming.popleft()[1]
                knocked[source] = time.perf_counter()
                self.arrive(source)
            if not coming and not knocked:
                break
        return times + [None] * len(knocked)

    def awaitAnswers(self, sources: Iterable[IPv4Address], patience: float) -> list[float | None]:
        """Return the same for clients that have knocked already, in milliseconds from now."""
        knocked = dict.fromkeys(sources, time.perf_counter())
        times: list[float | None] = []
        for _ in self._connectByTurns(knocked, times, time.perf_counter() + patience):
            if not knocked:
                break
        return times + [None] * len(knocked)

    def _connectByTurns(
        self, knocked: dict[IPv4Address, float], times: list[float | None], end: float
    ) -> Iterator[float]:
        """
        Try to connect from one client after the other, and yield the time before each try.

        @param knocked: client -> when it knocked; an answered client is removed.
        @param times: where to note its milliseconds.
        """
        waiting: deque[IPv4Address] = deque()
        while (now := time.perf_counter()) < end:
            yield now
            if not waiting:
                waiting.extend(knocked)
            if waiting and (source := waiting.popleft()) in knocked:
                self.connect(source)
                time.sleep(PACE)
            elif not knocked:
                time.sleep(PACE)
            for source in self.answers():
                if source in knocked:
                    times.append(1000 * (time.perf_counter() - knocked.pop(source)))
