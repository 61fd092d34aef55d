"""
Side by side: pkdoors, and what a user would pick instead, all in one run.

knockd and fwknopd are Debian's, and are installed where they are missing; C{kernel} is nftables
that hears the knocks by itself, the floor of the method. Each has hosts of its own, in network
namespaces; the daemons have one CPU, what knocks, watches and floods has another. Run as root, on a
machine that has nothing else to do::

    python -m bench.compare [-d DAEMON ...] [-m MEASURE ...] [--json FILE] [--rst FILE]

All of it takes about twelve minutes.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.badlines import PACE
from bench.common import Times, lacking, signals
from bench.comparison import tableOf
from bench.generator import Generator, expect
from bench.measures import MEASURES, Figures, Sizes, opening
from bench.others import RIVALS
from bench.packages import install
from bench.prober import GAP, Prober
from bench.rivals import PROTECTED, SEQUENCE
from bench.stand import Stand
from tests.lab.hosts import CLIENT4, Network

BLOCK = 10
"""Openings of one that are timed before the others have their turn."""

MOST = {"tries": 1000, "under": 100, "knocks": 1000, "sources": 10_000_000}
"""One that fails takes a second or more, so this bounds the whole time."""

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
"""Packages whose versions are told."""

FACTS = (
    "a fwknop knock is one datagram; sealed ones are sent as pkdoors' client does, three times to"
    " each port, but for the time to open; all others once",
    f"under a flood and where it is said, the datagrams of a knock are {1000 * PACE:.0f} ms apart,"
    " as pkdoors' client sends them; else there is no pause",
    "floods come from a million addresses; wrong knocks are, of each, such as have the right form",
    "the CPU is the daemon's own; what the kernel does with a datagram is on another one",
    "jitter, loss and doubling are made where the datagrams are sent",
)

Results = dict[str, dict[str, Figures]]


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench.compare: it needs two CPUs, one for the daemons and one for all the rest")
    if lack := lacking({}):
        sys.exit(f"bench.compare: {lack}")
    install(PACKAGES, SERVICES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        results = run(options)
    except KeyboardInterrupt:
        sys.exit("bench.compare: interrupted, and cleaned up")
    facts, table = factsOf(options), tableOf(results)
    print(table.text())
    print("\nWhere pkdoors loses:", *(table.losses() or ["nowhere"]), sep="\n- ")
    if options.json:
        options.json.write_text(json.dumps({"facts": facts, "results": results}, indent=1) + "\n")
    if options.rst:
        abouts = {name: RIVALS[name].about for name in results}
        options.rst.write_text(table.rst(abouts, facts))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.compare", description="Side by side.")
    add = parser.add_argument
    for name, choices in (("daemon", [*RIVALS]), ("measure", ["opening", *MEASURES])):
        add(
            f"-{name[0]}",
            f"--{name}",
            nargs="+",
            choices=choices,
            default=choices,
            metavar=name.upper(),
            help=f"only some of {', '.join(choices)}",
        )
    default = Sizes()
    add("--tries", type=int, default=default.tries, help="openings timed (%(default)s)")
    add("--under", type=int, default=default.under, help="tries under each flood (%(default)s)")
    add("--seconds", type=float, default=default.seconds, help="of each flood (%(default)s)")
    add("--knocks", type=int, default=default.knocks, help="over each network (%(default)s)")
    add("--sources", type=int, default=default.sources, help="to remember (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="where raw figures go")
    add("--rst", type=Path, metavar="FILE", help="where the table goes, as reStructuredText")
    options = parser.parse_args()
    for name, most in MOST.items():
        if not 1 <= (given := getattr(options, name)) <= most:
            parser.error(f"--{name} {given}: 1 to {most} are allowed")
    if not 0.1 <= options.seconds <= 60:
        parser.error(f"--seconds {options.seconds}: 0.1 to 60 are allowed")
    for file in (options.json, options.rst):
        if file and not file.parent.is_dir():
            parser.error(f"{file}: there is no such directory")
    return options


def run(options: argparse.Namespace) -> Results:
    """Make the hosts, measure, remove the hosts; signals wait while hosts come and go."""
    first, *_, last = sorted(os.sched_getaffinity(0))
    cpus = (first, last)
    with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
        with ExitStack() as stack:
            networks: dict[str, Network] = {}
            for name in dict.fromkeys(options.daemon):
                Path(folder, name).mkdir()
                networks[name] = stack.enter_context(Network(Path(folder, name)))
            with signals(signal.SIG_UNBLOCK):
                stands = {
                    name: stack.enter_context(stand(name, network, cpus))
                    for name, network in networks.items()
                }
                return measure(stands, options)


def measure(stands: dict[str, Stand], options: argparse.Namespace) -> Results:
    """One measure after another, of each."""
    sizes = Sizes(options.tries, options.under, options.seconds, options.knocks, options.sources)
    results: Results = {name: {} for name in stands}
    if "opening" in options.measure:
        say("opening")
        for name, found in openings(stands, sizes.tries).items():
            results[name]["opening"] = found
    for which in dict.fromkeys(options.measure):
        if which != "opening":
            for name, each in stands.items():
                say(f"{which}: {name}")
                try:
                    results[name][which] = MEASURES[which](each, sizes)
                except AssertionError as error:  # the others are measured all the same
                    say(f"{which}: {name}: {error}")
                    results[name][which] = {"error": str(error)}
    return results


@contextmanager
def stand(name: str, network: Network, cpus: tuple[int, int]) -> Iterator[Stand]:
    """Where one is measured."""
    network.server.serve(PROTECTED)
    expect(network.server, via=CLIENT4)
    with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
        made = Stand(
            RIVALS[name](network.server),
            *(network, prober, Generator(network.folder), cpus),
        )
        made.restart()
        if network.client.reaches(PROTECTED):
            raise AssertionError(f"{name}: the protected port answers without a knock")
        yield made


def openings(stands: dict[str, Stand], tries: int) -> dict[str, Figures]:
    """Time to open. They take turns, so that noise on a shared machine hits all of them."""
    times: Times = {name: [] for name in stands}
    for done in range(0, tries, BLOCK):
        for name, each in stands.items():
            times[name] += [opening(each) for _ in range(min(BLOCK, tries - done))]
    return {
        name: {"milliseconds": found, "opened": tries - found.count(None), "tried": tries}
        for name, found in times.items()
    }


def factsOf(options: argparse.Namespace) -> list[str]:
    """Where and how it was measured."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *VERSIONS],
        capture_output=True,
        text=True,
    )
    return [
        f"{shown.stdout}Linux {platform.release()}, Python {platform.python_version()}",
        f"{options.tries} openings timed, the knocks {1000 * GAP:.0f} ms apart",
        *FACTS,
    ]


def say(what: str) -> None:
    """Tell whoever waits."""
    print(f"{time.strftime('%T')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
