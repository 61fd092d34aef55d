"""
The operator's work: milliseconds to see and to close a thousand openings, and to reload under them.

The daemon on nftables is asked over its admin socket, as the commands of pkdoors do it: C{open} is
one opening beside those that there are, C{status} shows all of them, C{reload} takes a file that
allows another time each time, and puts the openings back in the same step, C{close} closes them
all. What a command of pkdoors needs to start is not in it. At the end there are so many openings
again, and another process asks for all of them, again and again, over as many connections as the
daemon takes (C{bench/pipelining.py}): how long a knock takes to open then, and how long the
operator waits for a status and for a door to open and close. Run as root::

    python -m bench.operations [--rounds 20] [--openings 1000] [--tries 100] [--json FILE]
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.common import Times, figures, lacking, signals, table
from bench.prober import Prober
from bench.rivals import PROTECTED, SEQUENCE
from pkdoors.adminclient.client import AdminClient
from pkdoors.doorkeeper.admission import MAX_OPENINGS
from tests.lab.hosts import Daemon, Network, Process

MAX_ROUNDS = 1000
"""Each takes some seconds, most of them for the openings."""

LOOKS = 5
"""How often in a round it is asked for the status, and reloaded."""

FIRST = IPv4Address("10.7.0.1")

ANOTHER = "10.6.0.1"
"""An address without an opening."""

MAX_TRIES = 1000
"""Knocks; one that fails takes a second."""

PACKAGES = {"ip": "iproute2", "nft": "nftables"}


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking(PACKAGES):
        sys.exit(f"bench.operations: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        times = run(options.rounds, options.openings, options.tries)
    except KeyboardInterrupt:
        sys.exit("bench.operations: interrupted, and cleaned up")
    print(table(times))
    if options.json:
        result = {**figures(times), "openings": options.openings}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.operations", description="The operator's work.")
    parser.add_argument("--rounds", type=int, default=20, help="how often (20)")
    parser.add_argument("--openings", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--tries", type=int, default=100, help="knocks while many ask (100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    options = parser.parse_args()
    for name, most in (
        ("rounds", MAX_ROUNDS),
        ("tries", MAX_TRIES),
        ("openings", MAX_OPENINGS - 2 * options.tries - 1),
    ):
        if not 1 <= (given := getattr(options, name)) <= most:
            parser.error(f"--{name} {given}: 1 to {most} are allowed")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no such directory")
    return options


def run(rounds: int, openings: int, tries: int) -> Times:
    """Make the hosts, measure, remove the hosts; signals wait while hosts come and go."""
    with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
        with Network(Path(folder)) as network, signals(signal.SIG_UNBLOCK):
            file, path = Path(folder, "pkdoors.toml"), f"{folder}/admin.sock"
            write(file, path, hours=0)
            daemon = Daemon(network.server, "-c", str(file), "--admin", path)
            if not daemon.says("AdminSite starting"):
                raise AssertionError(f"nobody listens: {daemon.log()}")
            client = AdminClient(path)
            times = measure(client, lambda hours: write(file, path, hours), rounds, openings)
            return {**times, **besieged(network, path, openings, tries)}


def besieged(network: Network, path: str, openings: int, tries: int) -> Times:
    """Knock, and steer, without those who ask and with them."""
    client = AdminClient(path)
    network.server.serve(PROTECTED)
    times: Times = {}
    for source in range(openings):
        client.open(str(FIRST + source))
    with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
        times["knock"] = [prober.knock() for _ in range(tries)]
        output = network.folder / "pipelining"
        process = Process([sys.executable, "-m", "bench.pipelining", path], output, {})
        try:
            if not process.says("asking"):
                raise AssertionError(f"nobody asks: {process.log()}")
            times["knock, many ask"] = [prober.knock() for _ in range(tries)]
            for _ in range(LOOKS):
                for name, work in (
                    ("status", client.status),
                    ("open", lambda: client.open(ANOTHER)),
                    ("close", lambda: client.close(ANOTHER)),
                ):
                    times.setdefault(f"{name}, many ask", []).append(took(work))
        finally:
            process.stop()
    return times


def took(work: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    began = time.monotonic()
    work()
    return 1000 * (time.monotonic() - began)


def write(file: Path, path: str, hours: int) -> None:
    """Write the configuration, all of it at once."""
    new = file.with_suffix(".new")
    new.touch(0o600)
    new.write_text(
        f'firewall = "nftables"\nadmin = "{path}"\n[doors.ssh]\nsequence = {list(SEQUENCE)}\n'
        f'ports = [{PROTECTED}]\nopen_for = "1h"\nmax_open_for = "{100 + hours}h"\n'
    )
    os.replace(new, file)


def measure(
    client: AdminClient, change: Callable[[int], None], rounds: int, openings: int
) -> Times:
    """Open, look, reload and close again and again."""
    times: Times = {name: [] for name in ("open", "status", "reload", "close")}

    def timed(name: str, work: Callable[[], dict[str, object]]) -> dict[str, object]:
        began = time.monotonic()
        answer = work()
        times[name].append(1000 * (time.monotonic() - began))
        return answer

    def expect(answer: dict[str, object], key: str, count: int) -> None:
        found = answer[key]
        if not isinstance(found, list) or len(found) != count:
            raise AssertionError(f"not {count} {key}: {answer!s:.200}")

    for number in range(rounds):
        for source in range(openings):
            address = str(FIRST + source)
            timed("open", lambda address=address: client.open(address))  # type: ignore[misc]
        for look in range(LOOKS):
            expect(timed("status", client.status), "openings", openings)
            change(1 + LOOKS * number + look)
            expect(timed("reload", client.reload), "changes", 1)
        expect(timed("close", client.close), "closed", openings)
    return times


if __name__ == "__main__":
    main()
