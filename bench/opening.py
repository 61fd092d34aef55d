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
import platform
import random
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.prober import Prober
from bench.rivals import PROTECTED, RIVALS, SEQUENCE
from tests.real.hosts import Network

BLOCK = 10
"""Tries of one before the others have their turn."""

MAX_TRIES = 1000
"""Tries of each. One that fails takes a second, so this bounds the whole time."""

PAUSE = 0.1
"""The most seconds between two tries. They are random: knockd has a timer to fall in step with."""

PACKAGES = {"ip": "iproute2", "nft": "nftables", "knockd": "knockd"}
"""Program -> Debian's package of it."""

Times = dict[str, list[float | None]]
"""Name -> milliseconds of each try, None where the door did not open."""


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking():
        sys.exit(f"bench.opening: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        times = run(options.tries)
    except KeyboardInterrupt:
        sys.exit("bench.opening: interrupted, and cleaned up")
    print(table(times))
    if options.json:
        options.json.write_text(json.dumps(figures(times), indent=1) + "\n")


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


def lacking() -> str:
    """What is missing, and what to do; empty where nothing is."""
    if os.geteuid():
        return "it makes network namespaces and needs root: run it with sudo"
    if packages := [package for program, package in PACKAGES.items() if not shutil.which(program)]:
        return f"{' and '.join(packages)} not installed: apt-get install {' '.join(packages)}"
    if len(os.sched_getaffinity(0)) < 2:
        return "it needs two CPUs, one for the daemons and one for what knocks and watches"
    return ""


def run(tries: int) -> Times:
    """Make the hosts, measure, remove the hosts; signals wait while hosts come and go."""
    daemonCPU, *_, proberCPU = sorted(os.sched_getaffinity(0))
    with signals(signal.SIG_BLOCK), TemporaryDirectory() as folder, ExitStack() as stack:
        networks: dict[str, Network] = {}
        for name in RIVALS:
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


@contextmanager
def signals(how: signal.Sigmasks) -> Iterator[None]:
    """Block or unblock the signals that end the benchmark."""
    before = signal.pthread_sigmask(how, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(name: str, network: Network) -> Prober:
    """Start what is measured."""
    network.server.serve(PROTECTED)
    RIVALS[name](network.server)
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


def summary(tries: list[float | None]) -> dict[str, float]:
    """Of the tries that opened; empty where none did."""
    opened = sorted(each for each in tries if each is not None)
    if not opened:
        return {}
    p95 = opened[round(0.95 * (len(opened) - 1))]
    return {"median": statistics.median(opened), "p95": p95, "min": opened[0], "max": opened[-1]}


def ratio(times: Times) -> float:
    """The median of knockd by that of pkdoors; 0 where one of them never opened."""
    ours, theirs = summary(times["pkdoors"]), summary(times["knockd"])
    return theirs["median"] / ours["median"] if ours and theirs else 0.0


def table(times: Times) -> str:
    """The figures for reading."""
    lines = [f"{'ms':8}{'opened':>10}{'median':>9}{'p95':>9}{'min':>9}{'max':>9}"]
    for name, tries in times.items():
        opened = f"{len(tries) - tries.count(None)}/{len(tries)}"
        lines.append(
            f"{name:8}{opened:>10}" + "".join(f"{v:9.2f}" for v in summary(tries).values())
        )
    return "\n".join([*lines, f"median of knockd / median of pkdoors: {ratio(times):.1f}"])


def figures(times: Times) -> dict[str, object]:
    """The figures for programs."""
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "milliseconds": times,
        "summary": {name: summary(tries) for name, tries in times.items()},
        "ratio": ratio(times),
    }


if __name__ == "__main__":
    main()
