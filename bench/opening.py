"""
Time to open: milliseconds from sending the last knock to the protected port's first answer.

pkdoors on nftables runs beside knockd (Debian's package, which opens with C{nft}) and, as the floor
of the method, a kernel that hears the knocks by itself. Each has hosts of its own; all have the
same sequence. They take turns in blocks of tries, so noise on a shared machine hits all of them.
Each try comes from an address that never knocked before. The daemons run on one CPU, the program
that knocks and watches on another. Run as root::

    python -m bench.opening [--tries 100] [--json FILE]
"""

import random
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing

from bench.common import PROTECTED, SEQUENCE, Times, ratio, report
from bench.rivals.others import RIVALS
from tests.lab.hosts import Network
from tests.lab.program import Program, makeNetworks, onProcessor, pickProcessors
from tests.lab.traffic.prober import Prober

BLOCK = 10
"""Tries of one daemon before the others have their turn."""

MAX_TRIES = 1000
"""Tries of each daemon. A failed one takes a second, so this bounds the whole time."""

PAUSE = 0.1
"""The most seconds between two tries. They are random, because knockd has a timer, and the tries
must not fall in step with it."""

MEASURED = ("pkdoors", "knockd", "kernel")

PACKAGES = {"ip": "iproute2", "nft": "nftables", "knockd": "knockd"}


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.opening", "Time to open.", PACKAGES, processors=2)
    program.addNumber("tries", 100, MAX_TRIES, "tries of each daemon")
    options = program.start()
    times = program.run(measure, options.tries)
    faster = ratio(times, "knockd", "pkdoors")
    line = f"median of knockd / median of pkdoors: {faster:.1f}"
    report(program, times, [line], ratio=faster)


def measure(tries: int) -> Times:
    """Make the hosts, let the daemons take turns, and return all times."""
    daemonCPU, proberCPU = pickProcessors()
    with makeNetworks(*MEASURED) as networks, ExitStack() as stack:
        with onProcessor(daemonCPU):
            probers = {
                name: stack.enter_context(closing(begin(name, network)))
                for name, network in networks.items()
            }
        stack.enter_context(onProcessor(proberCPU))
        return takeTurns(probers, tries)


def takeTurns(probers: Mapping[str, Prober], tries: int) -> Times:
    """Return the times to open of some daemons, which take turns in blocks of tries."""
    times: Times = {name: [] for name in probers}
    for done in range(0, tries, BLOCK):
        for name, prober in probers.items():
            for _ in range(min(BLOCK, tries - done)):
                times[name].append(prober.knock())
                time.sleep(random.uniform(0, PAUSE))
    return times


def begin(name: str, network: Network) -> Prober:
    """Start one daemon, and return a prober that knocks at it."""
    network.server.serve(PROTECTED)
    RIVALS[name](network.server).start()
    if network.client.reaches(PROTECTED):
        raise AssertionError(f"{name}: the protected port answers without a knock")
    return Prober(network, SEQUENCE, PROTECTED)


if __name__ == "__main__":
    main()
