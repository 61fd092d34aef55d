"""
Knocks that sockets hear, beside knocks that the kernel's packet log brings, in one run.

Time to open, in quiet: two daemons take turns in blocks of tries, so noise on a shared machine hits
both. Then both in turn, with hosts of their own, under each flood: plain knocks on the first port
from a million made-up addresses, and junk; meanwhile a client knocks at its usual pace. The last
line says whether C{listen = "auto"} should prefer capture (L{judge}), which is
L{pkdoors.daemon.listening.PREFERS_CAPTURE}. Run as root, on a machine that does nothing else::

    python -m bench.hearing [--tries 100] [--json FILE]
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing

from bench.common import PROTECTED, SEQUENCE, Times, figuresOf, showTimes, startDaemon, summarize
from bench.flood.outcome import HEADING, Outcome, formatLine
from bench.flood.testbed import Bench
from bench.opening import MAX_TRIES, takeTurns
from pkdoors.daemon.listening import PREFERS_CAPTURE
from tests.lab.costs import resident
from tests.lab.hosts import Network
from tests.lab.program import Program, makeNetwork, makeNetworks, onProcessor, pickProcessors
from tests.lab.traffic.prober import Prober

WAYS = ("sockets", "capture")
FLOODS = (("first", 50_000), ("first", 100_000), ("junk", 200_000))
"""Kinds of flood (L{tests.lab.traffic.generator.KINDS}), and datagrams a second."""
DECIDING = ("first", 100_000)
"""The flood under which every honest knock must open."""
NOISE = 1.05
"""How many times as long the same thing may take twice on a quiet machine."""

PACKAGES = {"ip": "iproute2", "nft": "nftables", "cc": "gcc"}

Floods = Mapping[str, Sequence[Outcome]]
"""The outcomes of each way."""


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.hearing", "Sockets beside capture.", PACKAGES, processors=2)
    program.addNumber("tries", 100, MAX_TRIES, "knocks of each daemon, in quiet and in each flood")
    options = program.start()
    times, memory = program.run(measureOpening, options.tries)
    print(showTimes(times))
    for way, megabytes in memory.items():
        print(f"{way}: {megabytes:.1f} MB resident")
    floods = program.run(measureFloods, options.tries)
    isBetter, reasons = judge(times, floods)
    print(*reasons, sep="\n")
    print(f"auto should prefer {WAYS[isBetter]}; it prefers {WAYS[PREFERS_CAPTURE]}")
    outcomes = {way: [outcome.figures() for outcome in found] for way, found in floods.items()}
    more = {"floods": outcomes, "resident": memory, "better": WAYS[isBetter]}
    program.save({**figuresOf(times), **more})


def measureOpening(tries: int) -> tuple[Times, dict[str, float]]:
    """Return the milliseconds to open, and the megabytes that each daemon has resident."""
    daemonCPU, proberCPU = pickProcessors()
    memory = {}
    with makeNetworks(*WAYS) as networks, ExitStack() as stack:
        probers = {}
        for way, network in networks.items():
            network.server.serve(PROTECTED)
            with onProcessor(daemonCPU):
                daemon = startDaemon(network.server, "--listen", way)
            probers[way] = stack.enter_context(closing(_begin(way, network)))
            memory[way] = round(resident(daemon.process.popen.pid), 1)
        stack.enter_context(onProcessor(proberCPU))
        return takeTurns(probers, tries), memory


def _begin(way: str, network: Network) -> Prober:
    """Return a prober, for a daemon that does hear knocks in this way."""
    if network.client.reaches(PROTECTED):
        raise AssertionError(f"{way}: the protected port answers without a knock")
    isCaptured = "log group" in network.server.run("nft", "list", "ruleset")
    if isCaptured != (way == "capture"):
        raise AssertionError(f"{way}: knocks are heard in another way")
    return Prober(network, SEQUENCE, PROTECTED)


def measureFloods(tries: int) -> Floods:
    """Return the outcomes of each way under each flood, and print each as it comes."""
    floods: dict[str, list[Outcome]] = {way: [] for way in WAYS}
    with makeNetwork() as network, ExitStack() as stack:
        bench = Bench(network, stack)
        print(HEADING)
        for kind, rate in FLOODS:
            for way, outcomes in floods.items():
                outcomes.append(bench.flood("plain", kind, rate, tries, way))
                print(f"{formatLine(outcomes[-1])}  {way}", flush=True)
    return floods


def judge(times: Times, floods: Floods) -> tuple[bool, list[str]]:
    """
    Return whether capture is the better way for everybody, and why, or why not: it must open no
    later, and every honest knock must open under the deciding flood.
    """
    reasons, isBetter = [], True
    sockets, capture = (summarize(times[way]) for way in WAYS)
    for name in ("median", "p95"):
        found = (sockets.get(name, 0.0), capture.get(name, float("inf")))
        isBetter = isBetter and found[1] <= found[0] * NOISE
        reasons.append(
            f"{name} to open: {found[1]:.2f} ms with capture, {found[0]:.2f} with sockets"
        )
    rate = DECIDING[1]
    (outcome,) = (each for each in floods["capture"] if (each.kind, each.asked) == DECIDING)
    opened, count = len(outcome.tries) - outcome.tries.count(None), len(outcome.tries)
    isFull = outcome.rate >= rate * 0.95
    reasons.append(f"capture opened {opened} of {count} under {outcome.rate:,.0f} knocks a second")
    if not isFull:
        reasons.append("the machine was too slow to send the flood: the run does not count")
    return isBetter and opened == count and isFull, reasons


if __name__ == "__main__":
    main()
