"""The hosts on which one rival is measured, with their knocks and floods."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random

from bench.rivals.rival import OPEN_FOR, Junk, Rival
from tests.lab.costs import processorTime, resident, tracked
from tests.lab.hosts import SERVER4, Network
from tests.lab.program import onProcessor
from tests.lab.traffic.generator import Flood, Generator, macOf
from tests.lab.traffic.lines import PACE, Line, Schedule, planArrivals
from tests.lab.traffic.prober import Prober
from tests.lab.traffic.race import race

FASTEST = 1_000_000
"""More datagrams a second than any generator sends, so it bounds a flood."""

APART = 0.03
"""Seconds from the end of one client's knock to the beginning of the next one's. A daemon has two
at a time only if the measure is about that."""

USUAL = Line(interval=PACE)
"""A client's knock over a good network."""


@dataclass(frozen=True, slots=True)
class Testbed:
    """
    A rival on hosts of its own.

    @ivar daemonCPU: the CPU of the daemon; everything else runs on another one.
    """

    rival: Rival
    network: Network
    prober: Prober
    generator: Generator
    daemonCPU: int

    def restart(self, openFor: int = OPEN_FOR) -> None:
        """Stop the daemon, and start it again without any memory."""
        self.rival.stop()
        with onProcessor(self.daemonCPU):
            self.rival.start(openFor)

    def open(self) -> IPv4Address:
        """Open a door, and return for which address."""
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
        """Send from each address what a client sends, and return how many doors open."""
        schedules: dict[IPv4Address, Schedule] = {}
        begin = 0.0
        for number, source in enumerate(sources):
            if line.together:  # all start between two datagrams of one client
                begin = number * line.interval / len(sources)
            knock = planArrivals(self.rival.attempt(source, line.interval), line, chance)
            schedules[source] = [(begin + when, port, datagram) for when, port, datagram in knock]
            begin += max((when for when, *_ in knock), default=0.0) + APART
        return len(race(self.prober, schedules, self.rival.patience))

    @contextmanager
    def flood(self, junk: Junk, rate: int, seconds: float, sources: int) -> Iterator[Flood]:
        """
        Flood the rival meanwhile.

        @param rate: datagrams a second; 0 for as many as possible.
        @param seconds: the flood ends after this time by itself.
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
        """The process of the daemon; L{None} if there is none."""
        return self.rival.process.popen.pid if self.rival.process else None

    def processorTime(self) -> float:
        """Return the seconds of a processor that the daemon has used; 0 without a daemon."""
        return processorTime(self.pid) if self.pid else 0.0

    def resident(self) -> float:
        """Return the megabytes that the daemon has resident; 0 without a daemon."""
        return resident(self.pid) if self.pid else 0.0

    def tracked(self) -> int:
        """Return how many connections the server tracks."""
        return tracked(self.network.server)
