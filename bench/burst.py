"""
Bursts, and a firewall that hangs.

The burst: so many clients finish their sequence within one second, with nftables alone and with
firewalld. For each, milliseconds from just before its last knock until its port answers. Beside it
what one call of firewalld's takes by itself (the floor: C{addRichRule}, with nobody else asking; it
grows with the rules that are there); the time from the request until the firewalls had it, as the
daemon counts it; and how long the admin socket took to answer meanwhile, a question that costs
nothing, so that it waits for the reactor only, and C{GET /status}; and by how much a sleep of who
asks lasts too long, for the machine may be busy with other things. Then all are closed at once.

The hang: firewalld is suspended (SIGSTOP) while clients knock, every other one for less time than
that lasts. Which openings firewalld is asked for is seen on its bus. Run as root::

    python -m bench.burst [--clients 1000] [--hanging 200] [--pause 10] [--only PART] [--json FILE]
"""

import argparse
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.asker import Answers, asked, asking
from bench.common import Times, figures, lacking, signals, table
from bench.crowd import Crowd
from bench.rivals import PROTECTED, SEQUENCE
from pkdoors.adminclient.client import AdminClient
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import Daemon, Network, eventually

PARTS = ("nftables", "firewalld", "hang")

MAX_CLIENTS = 5000
"""They take some minutes with firewalld."""

MAX_PAUSE = 60
"""Seconds that firewalld may hang."""

WITHIN = 1.0
"""Seconds in which all of a burst finish."""

PATIENCE = 120.0
"""Seconds in which the last one's port has to answer; firewalld needs up to 40 ms for each."""

SHORT = 3
"""Seconds that every other client asks for while firewalld hangs."""

FLOOR = 100
"""Calls of firewalld's that are measured by themselves."""

PACKAGES = {"ip": "iproute2", "firewalld": "firewalld", "dbus-monitor": "dbus-bin"}
"""firewalld needs nftables itself."""

_BARE = f"""
import time
from pkdoors.firewall.firewalld.connection import connect
client = connect()
rule = 'rule priority="40" family="ipv4" source address="10.77.0.{{}}" accept'
times = []
for number in range({FLOOR}):
    began = time.perf_counter()
    client.addRichRule("public", rule.format(number), 3600)
    times.append(1000 * (time.perf_counter() - began))
for number in range({FLOOR}):
    client.removeRichRule("public", rule.format(number))
print(times)
"""
_SOURCE = re.compile(r'source address=\\?"(10\.7[89]\.[0-9.]+)')

Measured = tuple[Times, dict[str, Any]]
"""Milliseconds, and what else there is to say."""


class Bench:
    """A server with a daemon, and a crowd of clients."""

    def __init__(self, stack: ExitStack, network: Network, firewall: str) -> None:
        self.server, self.folder = network.server, network.folder
        cpus = os.sched_getaffinity(0)
        if firewall == "firewalld":  # on any CPU
            self.firewalld = Firewalld(self.server)
        self.server.serve(PROTECTED)
        self.admin = self.folder / "admin.sock"
        options = f"-p {PROTECTED} -f {firewall} -t 1h --admin {self.admin}"
        os.sched_setaffinity(0, {min(cpus)})  # what is started has it, too
        self.daemon = Daemon(self.server, "-m", ",".join(map(str, SEQUENCE)), *options.split())
        os.sched_setaffinity(0, cpus)
        self.crowd = stack.enter_context(closing(Crowd(network, SEQUENCE, PROTECTED)))
        self.client = AdminClient(str(self.admin))

    def asking(self) -> AbstractContextManager[Answers]:
        """Ask the daemon meanwhile."""
        return asking(self.admin, self.folder / f"asker-{time.monotonic_ns()}")

    def floor(self) -> list[float | None]:
        """Milliseconds of single calls of firewalld's, with nobody else asking."""
        times: list[float | None] = json.loads(self.server.run(sys.executable, "-c", _BARE))
        return times

    def histogram(self) -> dict[str, int]:
        """How many openings took up to so many seconds, from the request to the firewalls' yes."""
        metrics = asked(str(self.admin), "/metrics")
        found = re.findall(r'time_to_open_seconds_bucket{le="(.*)"} ([0-9.]+)', metrics)
        return {bound: int(float(count)) for bound, count in found}


def made(part: Callable[[Bench], Measured], firewall: str) -> Measured:
    """Make the hosts, measure, remove the hosts; signals wait while hosts come and go."""
    with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
        with Network(Path(folder)) as network, signals(signal.SIG_UNBLOCK), ExitStack() as stack:
            return part(Bench(stack, network, firewall))


def burst(bench: Bench, clients: int, firewall: str) -> Measured:
    """Let them all come at once, and then close all."""
    times: Times = {}
    if firewall == "firewalld":
        times["firewalld: one bare call"] = bench.floor()
    sources = bench.crowd.gather(clients)
    bench.crowd.approach(sources)
    with bench.asking() as answers:
        began = time.monotonic()
        times[f"{firewall}: open"] = bench.crowd.finish(sources, WITHIN, PATIENCE)
        opened = time.monotonic() - began
    times |= answers.rows(f"{firewall}, opening")
    if firewall == "firewalld":
        times[f"firewalld: one bare call beside {clients}"] = bench.floor()
    with bench.asking() as answers:
        began = time.monotonic()
        bench.client.close()
        if not eventually(lambda: not bench.client.status()["openings"], PATIENCE):
            raise AssertionError("not all were closed")
        closed = time.monotonic() - began
    return times | answers.rows(f"{firewall}, closing"), {
        "seconds until the last was open": round(opened, 3),
        "seconds until all were closed": round(closed, 3),
        "openings by the seconds that they took the daemon": bench.histogram(),
    }


def hang(bench: Bench, clients: int, pause: float) -> Measured:
    """Have firewalld hang while they come."""
    with watchBus(bench) as calls, bench.asking() as answers:
        process = bench.firewalld.process.popen
        process.send_signal(signal.SIGSTOP)
        try:
            ends = come(bench.crowd, clients, pause)
        finally:
            process.send_signal(signal.SIGCONT)
        resumed = time.time()
        wanted = [each for each, end in ends.items() if end > resumed + PATIENCE]
        late = {each for each, end in ends.items() if end <= resumed}
        opened = bench.crowd.answered(wanted, PATIENCE)
        took = time.time() - resumed
        time.sleep(SHORT)  # and what else there may be
        called = calls()
    rules = bench.firewalld.cmd("--list-rich-rules")
    guard = bench.server.run("nft", "list", "set", "inet", "pkdoors", "default_open4")
    log = bench.daemon.log()
    return {"hang: open after": opened} | answers.rows("hang"), {
        "still wanted when it went on": len(wanted),
        "of these open": len(opened) - opened.count(None),
        "seconds until the last was open": round(took, 3),
        "over when it went on": len(late),
        "of these asked of firewalld": len(late.intersection(called)),
        "of these in firewalld": len(late.intersection(map(IPv4Address, _SOURCE.findall(rules)))),
        "of these in the guard": len([each for each in late if f" {each} " in guard]),
        "calls of addRichRule": len(called),
        "refused, for too many waited": "calls wait for firewalld already" in log,
        "lines that say cannot open": log.count("cannot open door"),
    }


def come(crowd: Crowd, clients: int, pause: float) -> dict[IPv4Address, float]:
    """Let them come, one after the other; when the time of each ends, in seconds since 1970."""
    ends = {}
    began = time.time()
    for number, source in enumerate(crowd.gather(clients)):
        payload = b"knock %d\n" % SHORT if number % 2 else b"knock\n"
        crowd.approach([source], payload)
        crowd.arrive(source, payload)
        ends[source] = time.time() + (SHORT if number % 2 else 3600)
        time.sleep(max(0, began + pause * (number + 1) / clients - time.time()))
    return ends


@contextmanager
def watchBus(bench: Bench) -> Iterator[Callable[[], list[IPv4Address]]]:
    """See meanwhile for whom firewalld is asked to add rules."""
    match = "type='method_call',interface='org.fedoraproject.FirewallD1.zone',member='addRichRule'"
    process = bench.server.spawn("dbus-monitor", "--system", match)
    time.sleep(0.5)
    yield lambda: [IPv4Address(each) for each in _SOURCE.findall(process.log())]


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking(PACKAGES):
        sys.exit(f"bench.burst: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    times: Times = {}
    facts: dict[str, dict[str, Any]] = {}
    try:
        for name in options.only or PARTS:
            if name == "hang":
                part = partial(hang, clients=options.hanging, pause=options.pause)
                more, facts[name] = made(part, "firewalld")
            else:
                part = partial(burst, clients=options.clients, firewall=name)
                more, facts[name] = made(part, name)
            times |= more
    except KeyboardInterrupt:
        sys.exit("bench.burst: interrupted, and cleaned up")
    print(table(times))
    for name, found in facts.items():
        for what, value in found.items():
            print(f"{name}: {what}: {value}")
    if options.json:
        options.json.write_text(json.dumps({**figures(times), "facts": facts}, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.burst", description="Bursts, and a hang.")
    parser.add_argument("--clients", type=int, default=1000, help="of a burst (1000)")
    parser.add_argument("--hanging", type=int, default=200, help="while firewalld hangs (200)")
    parser.add_argument("--pause", type=int, default=10, help="seconds that it hangs (10)")
    parser.add_argument("--only", action="append", choices=PARTS, help="which of them (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    options = parser.parse_args()
    for name, most in (("clients", MAX_CLIENTS), ("hanging", MAX_CLIENTS), ("pause", MAX_PAUSE)):
        if not 1 <= (given := getattr(options, name)) <= most:
            parser.error(f"--{name} {given}: 1 to {most} are allowed")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no such directory")
    return options


if __name__ == "__main__":
    main()
