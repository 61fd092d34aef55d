"""
Side by side: pkdoors, and what a user would pick instead, all in one run.

knockd and fwknopd are Debian's, and are installed if they are missing. C{kernel} is nftables that
hears the knocks by itself, the floor of the method. Each has hosts of its own, in network
namespaces. The daemons have one CPU; the programs that knock, watch and flood have another. Run as
root, on a machine that has nothing else to do::

    python -m bench.rivals [-d DAEMON ...] [-m MEASURE ...] [--json FILE] [--rst FILE]

All of it takes about twelve minutes.
"""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager

from bench.common import PROTECTED, SEQUENCE, Times
from bench.rivals.measures import MEASURES, Figures, Sizes, timeOpening
from bench.rivals.others import RIVALS
from bench.rivals.packages import install
from bench.rivals.testbed import Testbed
from bench.rivals.verdicts import makeTable
from tests.lab.hosts import CLIENT4, Network
from tests.lab.program import Program, makeNetworks, onProcessor, pickProcessors
from tests.lab.traffic.generator import Generator, routeSources
from tests.lab.traffic.lines import PACE
from tests.lab.traffic.prober import GAP, Prober

BLOCK = 10
"""Openings of one rival that are timed before the others have their turn."""

MAX_TRIES, MAX_UNDER, MAX_KNOCKS, MAX_SOURCES = 1000, 100, 1000, 10_000_000
"""A failed try takes a second or more, so this bounds the whole time."""

PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "knockd": "knockd",
    "fwknopd": "fwknop-server",
    "fwknop": "fwknop-client",
    "cc": "gcc libc6-dev",
}
"""Program -> Debian's package of it."""
SERVICES = {"knockd": "knockd", "fwknopd": "fwknop-server"}
"""Program -> the service that is installed with it."""
VERSIONS = ("nftables", "iptables", "knockd", "fwknop-server")
"""The packages whose versions are reported."""

FACTS = (
    "a fwknop knock is one datagram; sealed ones are sent as pkdoors' client does, three times to"
    " each port, except for the time to open; all others once",
    f"under a flood, and in lines that say so, the datagrams of a knock are {1000 * PACE:.0f} ms"
    " apart, as pkdoors' client sends them; otherwise there is no pause",
    "floods come from a million addresses; the wrong knocks of a flood have the form that the"
    " daemon expects",
    "the CPU is the daemon's own; the kernel handles datagrams on another one",
    "jitter, loss and doubling are made before the datagrams are sent",
)

Results = dict[str, dict[str, Figures]]


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.rivals", "Side by side.", {}, processors=2)
    for name, choices in (("daemon", [*RIVALS]), ("measure", ["opening", *MEASURES])):
        program.parser.add_argument(
            f"-{name[0]}",
            f"--{name}",
            nargs="+",
            choices=choices,
            default=choices,
            metavar=name.upper(),
            help=f"only some of {', '.join(choices)}",
        )
    usual = Sizes()
    program.addNumber("tries", usual.tries, MAX_TRIES, "openings to time")
    program.addNumber("under", usual.under, MAX_UNDER, "tries under each flood")
    program.addNumber("seconds", usual.seconds, 60, "seconds of each flood", least=0.1)
    program.addNumber("knocks", usual.knocks, MAX_KNOCKS, "knocks over each network")
    program.addNumber("sources", usual.sources, MAX_SOURCES, "addresses to remember")
    program.addFile("--rst", "write the table to FILE, as reStructuredText")
    options = program.start()
    install(PACKAGES, SERVICES)
    results = program.run(measure, options)
    facts, table = describe(options.tries), makeTable(results)
    print(table.text())
    print("\nWhere pkdoors loses:", *(table.losses() or ["nowhere"]), sep="\n- ")
    program.save({"facts": facts, "results": results})
    if options.rst:
        abouts = {name: RIVALS[name].about for name in results}
        options.rst.write_text(table.rst(abouts, facts))


def measure(options: argparse.Namespace) -> Results:
    """Make the hosts, and do one measure after another with each rival."""
    sizes = Sizes(options.tries, options.under, options.seconds, options.knocks, options.sources)
    daemonCPU, loadCPU = pickProcessors()
    with makeNetworks(*dict.fromkeys(options.daemon)) as networks, ExitStack() as stack:
        stack.enter_context(onProcessor(loadCPU))
        testbeds = {
            name: stack.enter_context(makeTestbed(name, network, daemonCPU))
            for name, network in networks.items()
        }
        results: Results = {name: {} for name in testbeds}
        for which in dict.fromkeys(options.measure):
            if which == "opening":
                say("opening")
                for name, found in timeOpenings(testbeds, sizes.tries).items():
                    results[name]["opening"] = found
            else:
                for name, testbed in testbeds.items():
                    say(f"{which}: {name}")
                    results[name][which] = tryMeasure(which, testbed, sizes)
        return results


def tryMeasure(which: str, testbed: Testbed, sizes: Sizes) -> Figures:
    """Return the figures, or the error: the other measures are done in any case."""
    try:
        return MEASURES[which](testbed, sizes)
    except AssertionError as error:
        say(f"{which}: {error}")
        return {"error": str(error)}


@contextmanager
def makeTestbed(name: str, network: Network, daemonCPU: int) -> Iterator[Testbed]:
    """Start a rival, and a prober that knocks at it."""
    network.server.serve(PROTECTED)
    routeSources(network.server, via=CLIENT4)
    with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
        rival = RIVALS[name](network.server)
        testbed = Testbed(rival, network, prober, Generator(network.folder), daemonCPU)
        testbed.restart()
        if network.client.reaches(PROTECTED):
            raise AssertionError(f"{name}: the protected port answers without a knock")
        yield testbed


def timeOpenings(testbeds: Mapping[str, Testbed], tries: int) -> dict[str, Figures]:
    """Time openings. The rivals take turns, so noise on a shared machine hits all of them."""
    times: Times = {name: [] for name in testbeds}
    for done in range(0, tries, BLOCK):
        for name, testbed in testbeds.items():
            times[name] += [timeOpening(testbed) for _ in range(min(BLOCK, tries - done))]
    return {
        name: {"milliseconds": found, "opened": tries - found.count(None), "tried": tries}
        for name, found in times.items()
    }


def describe(tries: int) -> list[str]:
    """Return the facts that belong to the figures: machine, versions and method."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *VERSIONS],
        capture_output=True,
        text=True,
    )
    return [
        f"{shown.stdout}Linux {platform.release()}, Python {platform.python_version()}",
        f"{tries} openings timed, the knocks {1000 * GAP:.0f} ms apart",
        *FACTS,
    ]


def say(progress: str) -> None:
    """Report the progress."""
    print(f"{time.strftime('%T')} {progress}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
