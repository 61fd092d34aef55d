"""The hosts of L{bench.flood}, and the work on them."""

import random
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing

from bench.common import PROTECTED, SEQUENCE
from bench.flood.outcome import Outcome
from bench.flood.server import (
    DOORS,
    PLAIN_PROTECTED,
    PLAIN_SEQUENCE,
    Server,
    optionsOfManyDoors,
    optionsOfOneDoor,
)
from bench.opening import PAUSE
from pkdoors.client.core.plan import ROUND_PAUSE, ROUNDS
from tests.lab.hosts import CLIENT4, SERVER4, Network
from tests.lab.program import onProcessor, pickProcessors
from tests.lab.sealing import makeKey, sealed
from tests.lab.traffic.generator import (
    FIRST,
    FORGERIES,
    MAX_SOURCES,
    Flood,
    Generator,
    forgeSeals,
    macOf,
    routeSources,
    spoilSeals,
)
from tests.lab.traffic.lines import PACE
from tests.lab.traffic.prober import Prober

SOURCES = 1_000_000
LONGEST = 120
"""Seconds that one flood takes at most."""
HARD = ("none", "forged", "paid")
"""The floods of the daemon with many doors and keys."""


class Bench:
    """The hosts, and the work on them."""

    def __init__(self, network: Network, stack: ExitStack) -> None:
        self._network = network
        self._key, self._hardKey = makeKey(), makeKey("ecdsa521")
        self._generator = Generator(network.folder)
        self._mac = macOf(network.server, "client")
        self._daemonCPU, loadCPU = pickProcessors()
        routeSources(network.server, CLIENT4)
        self._probers = {
            sequence: stack.enter_context(closing(Prober(network, sequence, port)))
            for sequence, port in ((SEQUENCE, PROTECTED), (PLAIN_SEQUENCE, PLAIN_PROTECTED))
        }
        for port in (PROTECTED, PLAIN_PROTECTED):
            network.server.serve(port)
        stack.enter_context(onProcessor(loadCPU))

    def flood(
        self, method: str, kind: str, rate: int, tries: int, listen: str = "sockets"
    ) -> Outcome:
        """
        Knock under a flood.

        @param listen: how the daemon hears knocks.
        """
        server = self._startServer(method, kind, listen)
        try:
            self._knock(method, kind)  # to load modules that are only loaded now
            before, began = server.resident(), server.processorTime()
            flood = self._startFlood(method, kind, rate, SOURCES, tries=tries)
            times = []
            for _ in range(tries):
                time.sleep(random.uniform(0, PAUSE / 2))
                times.append(self._knock(method, kind))
            busy, grown = server.processorTime() - began, server.resident() - before
            sent = flood.stop()
            return Outcome(
                method=method,
                kind=kind,
                asked=rate,
                sent=sent.sent,
                rate=round(sent.rate),
                tries=times,
                cpu=round(busy / sent.seconds, 3),
                grown=round(grown, 1),
                dropped=server.dropped(),
                tracked=server.tracked(),
            )
        finally:
            server.stop()

    def measureMemory(self, methods: Iterable[str]) -> dict[str, list[float]]:
        """Return the megabytes gained after a million addresses, and after ten million."""
        found = {}
        for method in methods:
            kind = "first" if method == "plain" else "sealed"
            server = self._startServer(method, kind)
            before, grown = server.resident(), []
            for sources in (SOURCES, MAX_SOURCES):
                self._startFlood(method, kind, 100_000, sources, sources).wait()
                grown.append(round(server.resident() - before, 1))
            found[f"{method}, {kind}"] = grown
            server.stop()
        return found

    def _startServer(self, method: str, kind: str, listen: str = "sockets") -> Server:
        if kind in HARD:
            options = optionsOfManyDoors(self._network, self._hardKey)
        else:
            options = optionsOfOneDoor(self._network, self._key, method == "sealed")
        with onProcessor(self._daemonCPU):
            return Server(self._network, [*options, "--listen", listen])

    def _startFlood(
        self, method: str, kind: str, rate: int, sources: int, count: int = 0, tries: int = 0
    ) -> Flood:
        first = FIRST
        payloads: Sequence[bytes] = ()
        if kind == "known":
            payloads = spoilSeals(self._key, SEQUENCE)
        elif kind in HARD:
            payloads = forgeSeals(self._hardKey, SEQUENCE, DOORS, FORGERIES)
            # They come from the addresses of the clients that are going to knock.
            first, sources = str(self._prober(method, kind).upcoming()), tries
            rate = 1 if kind == "none" else rate
        return self._generator.start(
            self._network.client,
            device="server",
            target=SERVER4,
            targetMac=self._mac,
            ports=SEQUENCE,
            kind=kind,
            rate=rate,
            count=count or LONGEST * (rate or 1_000_000),
            sources=sources,
            payloads=payloads,
            first=first,
        )

    def _prober(self, method: str, kind: str) -> Prober:
        isPlainDoor = kind in HARD and method == "plain"
        return self._probers[PLAIN_SEQUENCE if isPlainDoor else SEQUENCE]

    def _knock(self, method: str, kind: str) -> float | None:
        prober = self._prober(method, kind)
        if method == "plain":
            return prober.knock(gap=PACE)
        key, door = (self._hardKey, DOORS[0]) if kind in HARD else (self._key, "default")
        datagram = sealed(key, SEQUENCE, door=door)
        return prober.knock(datagram, gap=0, rounds=ROUNDS, pause=ROUND_PAUSE)
