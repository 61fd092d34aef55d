"""
Under a flood: how many knocks open their door, how soon, and what the flood costs the daemon.

Floods come from a million made-up addresses, in several kinds (C{tests/lab/traffic/generator.py})
and at several rates. Meanwhile a client knocks at its usual pace, with plain or sealed knocks. The
main figure is the milliseconds from the client's last datagram (of a sealed knock: the last one of
its first round) to the first answer of the protected port. Beside it are the daemon's processor
time and resident memory, the datagrams that the kernel dropped, and the connections that the host
tracks. The last figures are the memory after a million, and after ten million addresses. The daemon
runs on one CPU, generator and client on another. Run as root::

    python -m bench.flood [--tries 100] [--rates 10000,50000,100000,0] [--kinds junk,first,...]
        [--manners plain,sealed] [--json FILE]

With two CPUs, one of them sends, so the highest rate is what this one can send through the veth and
all of the server's rules, which it executes, too.

Under C{none}, C{forged} and C{paid} the daemon has four sealed doors on the same ports and a plain
one on others, and 256 keys, half of them ECDSA with P-521 and some RSA with 4096 bits. The client's
key is one with P-521, which takes the longest to check.
"""

import random
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing

from bench.common import PROTECTED, SEQUENCE, figuresOf
from bench.flood.outcome import ABOUTS, HEADING, Outcome, formatLine, makeTable
from bench.flood.server import (
    DOORS,
    PLAIN_PROTECTED,
    PLAIN_SEQUENCE,
    Server,
    optionsOfManyDoors,
    optionsOfOneDoor,
)
from bench.opening import PAUSE
from pkdoors.client._plan import ROUND_PAUSE, ROUNDS
from tests.lab.hosts import CLIENT4, SERVER4, Network
from tests.lab.program import Program, makeNetwork, onProcessor, pickProcessors
from tests.lab.sealing import makeKey, sealed
from tests.lab.traffic.generator import (
    FIRST,
    FORGERIES,
    KINDS,
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

METHODS = ("plain", "sealed")
"""How the client knocks."""
RATES = (10_000, 50_000, 100_000, 0)
MAX_TRIES = 1000
SOURCES = 1_000_000
LONGEST = 120
"""Seconds that one flood takes at most."""
HARD = ("none", "forged", "paid")
"""The floods of the daemon with many doors and keys."""
PACKAGES = {"ip": "iproute2", "nft": "nftables", "cc": "gcc"}


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.flood", "Under a flood.", PACKAGES, processors=2)
    program.addNumber("tries", 100, MAX_TRIES, "knocks under each flood")
    program.addList("--rates", RATES, "datagrams a second, 0 for the most", isOpen=True)
    program.addList("--kinds", KINDS, "kinds of flood")
    program.addList("--manners", METHODS, "kinds of knock", dest="methods")
    program.parser.add_argument(
        "--no-memory", dest="memory", action="store_false", help="leave out the memory"
    )
    program.addFile("--rst", "write the table to FILE, as reStructuredText")
    options = program.start()
    outcomes, memory = program.run(
        measure, options.methods, options.kinds, options.rates, options.tries, options.memory
    )
    if options.rst:
        options.rst.write_text(makeTable(outcomes).rst(ABOUTS, []))
    floods = [outcome.figures() for outcome in outcomes]
    program.save({**figuresOf({}), "floods": floods, "memory": memory})


def measure(
    methods: Sequence[str],
    kinds: Sequence[str],
    rates: Sequence[int],
    tries: int,
    withMemory: bool,
) -> tuple[list[Outcome], dict[str, list[float]]]:
    """Make the hosts, flood the daemons, and print each figure as it comes."""
    outcomes = []
    with makeNetwork() as network, ExitStack() as stack:
        bench = Bench(network, stack)
        print(HEADING)
        for method in methods:
            for kind in kinds:
                for rate in rates:
                    outcomes.append(bench.flood(method, kind, rate, tries))
                    print(formatLine(outcomes[-1]), flush=True)
        memory = bench.measureMemory(methods) if withMemory else {}
        for name, (million, ten) in memory.items():
            print(
                f"{name}: {million:.1f} MB more after a million addresses, "
                f"{ten:.1f} after ten million"
            )
    return outcomes, memory


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

    def flood(self, method: str, kind: str, rate: int, tries: int) -> Outcome:
        """Knock under a flood."""
        server = self._startServer(method, kind)
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

    def _startServer(self, method: str, kind: str) -> Server:
        if kind in HARD:
            options = optionsOfManyDoors(self._network, self._hardKey)
        else:
            options = optionsOfOneDoor(self._network, self._key, method == "sealed")
        with onProcessor(self._daemonCPU):
            return Server(self._network, options)

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


if __name__ == "__main__":
    main()
