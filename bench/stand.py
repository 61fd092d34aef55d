"""Where one of those that are compared is measured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random

from bench.badlines import PACE, Line, Timed, timed
from bench.costs import processorTime, resident, tracked
from bench.generator import Flood, Generator, macOf
from bench.prober import Prober
from bench.race import race
from bench.rivals import OPEN_FOR, Junk, Rival
from tests.lab.hosts import SERVER4, Network

FASTEST = 1_000_000
"""More datagrams a second than this no generator sends: it bounds a flood."""

APART = 0.03
"""Seconds from the end of one client's knock to the beginning of the next one's: no daemon has two
at a time but where that is what is measured."""

USUAL = Line(interval=PACE)
"""How a client knocks over a good network."""


@dataclass(frozen=True, slots=True)
class Stand:
    """
    Hosts of a rival's own, and what knocks and floods there.

    @ivar cpus: the daemon's, and the one of all the rest.
    """

    rival: Rival
    network: Network
    prober: Prober
    generator: Generator
    cpus: tuple[int, int]

    def restart(self, openFor: int = OPEN_FOR) -> None:
        """Begin anew."""
        self.rival.stop()
        daemon, rest = self.cpus
        os.sched_setaffinity(0, {daemon})  # what is started has it, too
        try:
            self.rival.start(openFor)
        finally:
            os.sched_setaffinity(0, {rest})

    def opened(self) -> IPv4Address:
        """
        Open a door.

        @return: whose.
        """
        for _ in range(5):
            source = self.prober.fresh()
            if self.knock([source]):
                return source
        raise AssertionError(f"{type(self.rival).__name__}: the door does not open")

    def knock(
        self,
        sources: list[IPv4Address],
        line: Line = USUAL,
        chance: Random | None = None,
    ) -> int:
        """Send from each of these all that a client sends; how many doors open."""
        plans: dict[IPv4Address, Timed] = {}
        begin = 0.0
        for number, source in enumerate(sources):
            if line.together:  # all within the time between two datagrams of one
                begin = number * line.interval / len(sources)
            knock = timed(self.rival.attempt(source, line.interval), line, chance)
            plans[source] = [(begin + when, port, datagram) for when, port, datagram in knock]
            begin += max((when for when, *_ in knock), default=0.0) + APART
        return len(race(self.prober, plans, self.rival.patience))

    @contextmanager
    def flood(self, junk: Junk, rate: int, seconds: float, sources: int) -> Iterator[Flood]:
        """
        Have it flooded meanwhile.

        @param rate: datagrams a second; 0 for as many as possible.
        @param seconds: after which it ends by itself.
        """
        flood = self.generator.start(
            self.network.client,
            "server",
            SERVER4,
            macOf(self.network.server, "client"),
            self.rival.ports,
            junk.kind,
            rate,
            int((rate or FASTEST) * seconds),
            sources,
            junk.payloads,
        )
        try:
            yield flood
        finally:
            flood.stop()

    @property
    def pid(self) -> int | None:
        """The daemon; L{None} where there is none."""
        return self.rival.process.popen.pid if self.rival.process else None

    def cpu(self) -> float:
        """Seconds of a processor that the daemon has had; 0 where there is none."""
        return processorTime(self.pid) if self.pid else 0.0

    def resident(self) -> float:
        """Megabytes that the daemon has resident; 0 where there is none."""
        return resident(self.pid) if self.pid else 0.0

    def tracked(self) -> int:
        """Connections that the server tracks."""
        return tracked(self.network.server)
