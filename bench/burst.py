"""
Bursts, and a firewall that hangs.

The burst: many clients finish their sequence within one second, with nftables alone and with
firewalld. The main figure is the milliseconds from just before a client's last knock until its port
answers. Beside it is the time of a single call of firewalld's C{addRichRule} with nobody else
asking, which is the floor, and which grows with the rules that exist; the time from the request
until the firewalls have it, as the daemon counts it; how long the admin socket takes meanwhile to
answer a question that costs nothing and waits for the reactor only, and C{GET /status};
and how much too long a sleep of the asking process lasts, since the machine may be busy with other
things. Then all openings are closed at once.

The hang: firewalld is suspended (SIGSTOP) while clients knock, every other one for less time than
that lasts. The bus shows which openings firewalld is asked for. Run as root::

    python -m bench.burst [--clients 1000] [--hanging 200] [--pause 10] [--only PART] [--json FILE]
"""

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from ipaddress import IPv4Address
from typing import Any

from bench.common import PROTECTED, SEQUENCE, Times, report, startDaemon
from pkdoors.adminclient.client import AdminClient
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import Network, eventually
from tests.lab.program import Program, makeNetwork, onProcessor, pickProcessors
from tests.lab.traffic.asker import Answers, ask, keepAsking
from tests.lab.traffic.crowd import Crowd

PARTS = ("nftables", "firewalld", "hang")

MAX_CLIENTS = 5000
"""They take some minutes with firewalld."""

MAX_PAUSE = 60
"""Seconds that firewalld may hang."""

WITHIN = 1.0
"""Seconds in which all clients of a burst finish."""

PATIENCE = 120.0
"""Seconds in which the last port must answer; firewalld needs up to 40 ms for each."""

SHORT = 3
"""Seconds that every other client asks for while firewalld hangs."""

FLOOR = 100
"""Calls of firewalld to measure by themselves."""

PACKAGES = {"ip": "iproute2", "firewalld": "firewalld", "dbus-monitor": "dbus-bin"}
"""firewalld itself depends on nftables."""

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
"""Milliseconds, and other facts."""


class Bench:
    """A server with a daemon, and a crowd of clients."""

    def __init__(self, stack: ExitStack, network: Network, firewall: str) -> None:
        self.server, self.folder = network.server, network.folder
        if firewall == "firewalld":  # on any CPU
            self.firewalld = Firewalld(self.server)
        self.server.serve(PROTECTED)
        self.admin = self.folder / "admin.sock"
        with onProcessor(pickProcessors()[0]):
            self.daemon = startDaemon(self.server, "--admin", str(self.admin), firewall=firewall)
        self.crowd = stack.enter_context(closing(Crowd(network, SEQUENCE, PROTECTED)))
        self.client = AdminClient(str(self.admin))

    def keepAsking(self) -> AbstractContextManager[Answers]:
        """Ask the daemon meanwhile."""
        return keepAsking(self.admin, self.folder / f"asker-{time.monotonic_ns()}")

    def timeBareCalls(self) -> list[float | None]:
        """Return the milliseconds of single calls of firewalld, with nobody else asking."""
        times: list[float | None] = json.loads(self.server.run(sys.executable, "-c", _BARE))
        return times

    def histogram(self) -> dict[str, int]:
        """Return how many openings took up to so many seconds, from request to firewalls."""
        metrics = ask(str(self.admin), "/metrics")
        found = re.findall(r'time_to_open_seconds_bucket{le="(.*)"} ([0-9.]+)', metrics)
        return {bound: int(float(count)) for bound, count in found}


def measure(part: str, clients: int, hanging: int, pause: float) -> Measured:
    """Make the hosts, and measure one part."""
    firewall = "firewalld" if part == "hang" else part
    with makeNetwork() as network, ExitStack() as stack:
        bench = Bench(stack, network, firewall)
        return hang(bench, hanging, pause) if part == "hang" else burst(bench, clients, part)


def burst(bench: Bench, clients: int, firewall: str) -> Measured:
    """Let all clients come at once, and then close all openings."""
    times: Times = {}
    if firewall == "firewalld":
        times["firewalld: one bare call"] = bench.timeBareCalls()
    sources = bench.crowd.gather(clients)
    bench.crowd.approach(sources)
    with bench.keepAsking() as answers:
        began = time.monotonic()
        times[f"{firewall}: open"] = bench.crowd.finish(sources, WITHIN, PATIENCE)
        opened = time.monotonic() - began
    times |= answers.rows(f"{firewall}, opening")
    if firewall == "firewalld":
        times[f"firewalld: one bare call beside {clients}"] = bench.timeBareCalls()
    with bench.keepAsking() as answers:
        began = time.monotonic()
        bench.client.close()
        if not eventually(lambda: not bench.client.status()["openings"], PATIENCE):
            raise AssertionError("not all openings were closed")
        closed = time.monotonic() - began
    return times | answers.rows(f"{firewall}, closing"), {
        "seconds until the last was open": round(opened, 3),
        "seconds until all were closed": round(closed, 3),
        "openings by the seconds that they took the daemon": bench.histogram(),
    }


def hang(bench: Bench, clients: int, pause: float) -> Measured:
    """Suspend firewalld while clients knock."""
    with watchBus(bench) as calls, bench.keepAsking() as answers:
        process = bench.firewalld.process.popen
        process.send_signal(signal.SIGSTOP)
        try:
            ends = knockOneByOne(bench.crowd, clients, pause)
        finally:
            process.send_signal(signal.SIGCONT)
        resumed = time.time()
        wanted = [source for source, end in ends.items() if end > resumed + PATIENCE]
        late = {source for source, end in ends.items() if end <= resumed}
        opened = bench.crowd.awaitAnswers(wanted, PATIENCE)
        took = time.time() - resumed
        time.sleep(SHORT)  # for calls that may still come
        called = calls()
    rules = bench.firewalld.cmd("--list-rich-rules")
    guard = bench.server.run("nft", "list", "set", "inet", "pkdoors", "tcp_open4")
    log = bench.daemon.log()
    return {"hang: open after": opened} | answers.rows("hang"), {
        "still wanted when it went on": len(wanted),
        "of these open": len(opened) - opened.count(None),
        "seconds until the last was open": round(took, 3),
        "over when it went on": len(late),
        "of these asked of firewalld": len(late.intersection(called)),
        "of these in firewalld": len(late.intersection(map(IPv4Address, _SOURCE.findall(rules)))),
        "of these in the guard": len([source for source in late if f" {source} " in guard]),
        "calls of addRichRule": len(called),
        "refused, for too many waited": "calls wait for firewalld already" in log,
        "lines that say cannot open": log.count("cannot open door"),
    }


def knockOneByOne(crowd: Crowd, clients: int, pause: float) -> dict[IPv4Address, float]:
    """Spread the clients over a time; return when each opening ends, in seconds since 1970."""
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
    """Watch meanwhile for which addresses firewalld is asked to add rules."""
    match = "type='method_call',interface='org.fedoraproject.FirewallD1.zone',member='addRichRule'"
    process = bench.server.spawn("dbus-monitor", "--system", match)
    time.sleep(0.5)
    yield lambda: [IPv4Address(source) for source in _SOURCE.findall(process.log())]


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.burst", "Bursts, and a hang.", PACKAGES)
    program.addNumber("clients", 1000, MAX_CLIENTS, "clients of a burst")
    program.addNumber("hanging", 200, MAX_CLIENTS, "clients while firewalld hangs")
    program.addNumber("pause", 10, MAX_PAUSE, "seconds that it hangs")
    program.parser.add_argument("--only", action="append", choices=PARTS, help="parts (all)")
    options = program.start()
    times: Times = {}
    facts: dict[str, dict[str, Any]] = {}
    for part in options.only or PARTS:
        arguments = (options.clients, options.hanging, options.pause)
        found, facts[part] = program.run(measure, part, *arguments)
        times |= found
    lines = [
        f"{part}: {name}: {value}" for part, found in facts.items() for name, value in found.items()
    ]
    report(program, times, lines, facts=facts)


if __name__ == "__main__":
    main()
