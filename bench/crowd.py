"""Many clients at a time, through raw sockets: they knock, and watch for their port's answer."""

import time
from collections import deque
from collections.abc import Iterable
from ipaddress import IPv4Address
from itertools import islice

from bench.prober import Prober, _syn, _udp

PACE = 0.0002
"""Seconds between two datagrams, and between two tries to connect: of all clients together. With so
many that wait, each of them tries so many times this apart, which is what a time resolves."""

_SYN_ACK = 0x12


class Crowd(Prober):
    """Clients that knock at the same time, each from an address of its own."""

    def gather(self, count: int) -> list[IPv4Address]:
        """So many addresses that never knocked before."""
        return list(islice(self._sources, count))

    def approach(self, sources: Iterable[IPv4Address], payload: bytes = b"knock\n") -> None:
        """All knocks but the last."""
        for source in sources:
            for port in self._sequence[:-1]:
                self._send(_udp(source, port, payload))
                time.sleep(PACE)

    def arrive(self, source: IPv4Address, payload: bytes = b"knock\n") -> None:
        """The last knock."""
        self._send(_udp(source, self._sequence[-1], payload))

    def finish(
        self, sources: list[IPv4Address], seconds: float, patience: float
    ) -> list[float | None]:
        """
        The last knock of each, evenly within so many seconds.

        @param patience: seconds after the last of them in which a port has to answer.
        @return: milliseconds of each from just before its last knock to the first answer; L{None}
            where none came. In the order of the answers.
        """
        began = time.perf_counter()
        coming = deque(
            (began + seconds * number / len(sources), each) for number, each in enumerate(sources)
        )
        knocked: dict[IPv4Address, float] = {}
        times: list[float | None] = []
        for now in self._watching(knocked, times, began + seconds + patience):
            while coming and now >= coming[0][0]:
                source = coming.popleft()[1]
                knocked[source] = time.perf_counter()
                self.arrive(source)
            if not coming and not knocked:
                break
        return times + [None] * len(knocked)

    def answered(self, sources: Iterable[IPv4Address], patience: float) -> list[float | None]:
        """The same for those that have knocked before, from now on."""
        knocked = dict.fromkeys(sources, time.perf_counter())
        times: list[float | None] = []
        for _ in self._watching(knocked, times, time.perf_counter() + patience):
            if not knocked:
                break
        return times + [None] * len(knocked)

    def _watching(
        self, knocked: dict[IPv4Address, float], times: list[float | None], end: float
    ) -> Iterable[float]:
        """Try to connect from one after the other; who is answered has knocked no more."""
        waiting: deque[IPv4Address] = deque()
        while (now := time.perf_counter()) < end:
            yield now
            if not waiting:
                waiting.extend(knocked)
            if waiting and (source := waiting.popleft()) in knocked:
                self._port = (self._port + 1) % 60000
                self._send(_syn(source, 2000 + self._port, self._protected))
                time.sleep(PACE)
            elif not knocked:
                time.sleep(PACE)
            while packet := self._receive():
                tcp = packet[4 * (packet[0] & 15) :]
                source = IPv4Address(packet[16:20])
                isAnswer = int.from_bytes(tcp[:2]) == self._protected and tcp[13] == _SYN_ACK
                if isAnswer and source in knocked:
                    times.append(1000 * (time.perf_counter() - knocked.pop(source)))
