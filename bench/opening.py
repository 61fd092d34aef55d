"""
Time to open: milliseconds from sending the last knock to the protected port's first answer.

pkdoors on nftables, beside knockd (Debian's package, opening with C{nft}) and, as the floor of
the method, a kernel that hears the knocks by itself. Each has hosts of its own, all have the same
sequence. They take turns in blocks of tries, so that noise on a shared machine hits all of them.
Each try comes from an address that never knocked before. The daemons run on one CPU, what knocks
and watches on another. Run as root::

    python -m bench.opening [--tries 100] [--json FILE]
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.common import Times, figures, lacking, ratio, signals, table
from bench.others import RIVALS
from bench.prober import Prober
from bench.rivals import PROTECTED, SEQUENCE
from tests.lab.hosts import Network

BLOCK = 10
"""Tries of one before the others have their turn."""

MAX_TRIES = 1000
"""Tries of each. One that fails takes a second, so this bounds the whole time."""

PAUSE = 0.1
"""The most seconds between two tries. They are random: knockd has a timer to fall in step with."""

MEASURED = ("pkdoors", "knockd", "kernel")

PACKAGES = {"ip": "iproute2", "nft": "nftables", "knockd": "knockd"}
"""Program -> Debian's package of it."""


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacks():
        sys.exit(f"bench.opening: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        times = run(options.tries)
    except KeyboardInterrupt:
        sys.exit("bench.opening: interrupted, and cleaned up")
    print(table(times))
    faster = ratio(times, "knockd", "pkdoors")
    print(f"median of knockd / median of pkdoors: {faster:.1f}")
    if options.json:
        result = {**figures(times), "ratio": faster}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.opening", description="Time to open.")
    parser.add_argument("--tries", type=int, default=100, help="how many of each (100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    options = parser.parse_args()
    if not 1 <= options.tries <= MAX_TRIES:
        parser.error(f"--tries {options.tries}: 1 to {MAX_TRIES} are allowed")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no such directory")
    return options


def lacks() -> str:
    """What is missing, and what to do; empty where nothing is."""
    if len(os.sched_getaffinity(0)) < 2:
        return "it needs two CPUs, one for the daemons and one for what knocks and watches"
    return lacking(PACKAGES)


def run(tries: int) -> Times:
    """Make the hosts, measure, remove the hosts; signals wait while hosts come and go."""
    daemonCPU, *_, proberCPU = sorted(os.sched_getaffinity(0))
    with signals(signal.SIG_BLOCK), TemporaryDirectory() as folder, ExitStack() as stack:
        networks: dict[str, Network] = {}
        for name in MEASURED:
            Path(folder, name).mkdir()
            networks[name] = stack.enter_context(Network(Path(folder, name)))
        with signals(signal.SIG_UNBLOCK):
            os.sched_setaffinity(0, {daemonCPU})  # what is started has it, too
            probers = {
                name: stack.enter_context(closing(begin(name, network)))
                for name, network in networks.items()
            }
            os.sched_setaffinity(0, {proberCPU})
            return measure(probers, tries)


def begin(name: str, network: Network) -> Prober:
    """Start what is measured."""
    network.server.serve(PROTECTED)
    RIVALS[name](network.server).start()
    if network.client.reaches(PROTECTED):
        raise AssertionError(f"{name}: the protected port answers without a knock")
    return Prober(network, SEQUENCE, PROTECTED)


def measure(probers: dict[str, Prober], tries: int) -> Times:
    """Let them take turns."""
    times: Times = {name: [] for name in probers}
    for done in range(0, tries, BLOCK):
        for name, prober in probers.items():
            for _ in range(min(BLOCK, tries - done)):
                times[name].append(prober.knock())
                time.sleep(random.uniform(0, PAUSE))
    return times


if __name__ == "__main__":
    main()
