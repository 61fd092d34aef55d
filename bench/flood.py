"""
Under a flood: how many knocks open their door, how soon, and what it costs the daemon.

For each kind of flood (C{bench/generator.py}), from a million made-up addresses, and each rate: a
client at its usual pace knocks, plainly or with a seal, and is let in or not; milliseconds from its
last datagram (of a sealed knock the last one of its first round) to the first answer of the
protected port. Beside it the daemon's processor time, what it has resident, what the kernel has
dropped, and
how many connections the host tracks. At last the memory after a million, and after ten million
addresses. The daemon is on one CPU, generator and client on another. Run as root::

    python -m bench.flood [--tries 100] [--rates 10000,50000,100000,0] [--kinds junk,first,...]
        [--manners plain,sealed] [--json FILE]

Of two CPUs one sends, so that the most is what that one can send through the veth and all the
server's rules, which are worked on it, too.

Under C{none}, C{forged} and C{paid} the daemon has four sealed doors on the same ports, and a plain
one on others; 256 keys, half of them ECDSA with P-521 and some RSA with 4096 bits. The client's is
one with P-521, which takes the longest to check.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.conch.ssh.keys import Key

from bench.common import figures, lacking, signals, summary
from bench.costs import processorTime, resident, tracked
from bench.generator import (
    FIRST,
    FORGERIES,
    KINDS,
    MOST_SOURCES,
    Flood,
    Generator,
    badSeals,
    expect,
    forgeries,
    macOf,
)
from bench.opening import PAUSE
from bench.prober import Prober
from bench.rivals import PROTECTED, SEQUENCE
from bench.tables import Cell, Row, Table
from pkdoors.adminclient.client import AdminClient
from pkdoors.client._plan import ROUND_PAUSE, ROUNDS
from tests.lab.hosts import CLIENT4, SERVER4, Daemon, Network
from tests.lab.sealing import makeKey, publicLine, sealed

RATES = (10_000, 50_000, 100_000, 0)
INTERVAL = 0.02
"""Seconds between two plain knocks of C{pkdoors knock}."""
SOURCES = 1_000_000
LONGEST = 120
"""Seconds that one flood takes at most."""
PACKAGES = {"ip": "iproute2", "nft": "nftables", "cc": "gcc"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of a flood.

    @ivar sent: datagrams that were sent.
    @ivar rate: that many a second.
    @ivar tries: milliseconds of each, L{None} where the door did not open.
    @ivar cpu: processors that the daemon had at work.
    @ivar grown: megabytes that it had resident more than before.
    @ivar dropped: datagrams that the kernel dropped, by the reason.
    @ivar tracked: connections that the host tracked at the end.
    """

    manner: str
    kind: str
    asked: int
    sent: int
    rate: float
    tries: list[float | None]
    cpu: float
    grown: float
    dropped: dict[str, int]
    tracked: int


HARD = ("none", "forged", "paid")
"""The floods of a daemon with many doors and keys."""
DOORS = ("ssh", "web", "sql", "irc")
PLAIN_SEQUENCE = tuple(port + 5000 for port in SEQUENCE)
PLAIN_PROTECTED = PROTECTED + 1
KEYS = {"ed25519": 120, "ecdsa521": 128, "rsa4096": 8}


def simple(network: Network, manner: str, key: Key) -> list[str]:
    """The options of a daemon with one door."""
    keys = network.folder / "authorized_keys"
    keys.write_text(publicLine(key))
    options = ["-m", ",".join(map(str, SEQUENCE)), "-p", str(PROTECTED), "-f", "nftables"]
    return [*options, *(("-k", str(keys)) if manner == "sealed" else ())]


def hard(network: Network, key: Key) -> list[str]:
    """The options of a daemon with many doors and keys."""
    keys = network.folder / "many_keys"
    if not keys.exists():
        others = [makeKey(kind) for kind, count in KEYS.items() for _ in range(count)][1:]
        lines = [publicLine(each) for each in (*others, key)]
        random.shuffle(lines)
        keys.write_text("".join(lines))
    text = 'firewall = "nftables"\n'
    for number, name in enumerate((*DOORS, "plain")):
        isPlain = name == "plain"
        text += (
            f"[doors.{name}]\nsequence = {list(PLAIN_SEQUENCE if isPlain else SEQUENCE)}\n"
            f"ports = [{PLAIN_PROTECTED if isPlain else PROTECTED + 10 * number}]\n"
        )
        text += "" if isPlain else f'authorized_keys = "{keys}"\n'
    conf = network.folder / "hard.toml"
    conf.write_text(text)
    conf.chmod(0o600)
    return ["-c", str(conf)]


class Server:
    """The daemon that is flooded, and what it costs."""

    def __init__(self, network: Network, options: Iterable[str]) -> None:
        self._host = network.server
        self._host.status("nft", "flush", "ruleset")
        self._admin = f"{network.folder}/admin.sock"
        self._daemon = Daemon(self._host, *options, "--admin", self._admin)
        if not self._daemon.says("AdminSite starting"):
            raise AssertionError(self._daemon.log())
        self._pid = self._daemon.process.popen.pid

    def seconds(self) -> float:
        """Processor time so far."""
        return processorTime(self._pid)

    def resident(self) -> float:
        """Megabytes."""
        return resident(self._pid)

    def dropped(self) -> dict[str, int]:
        """See C{GET /status}."""
        counters = AdminClient(self._admin).status()["counters"]
        return dict(counters["dropped"])

    def tracked(self) -> int:
        """Connections that the host tracks."""
        return tracked(self._host)

    def stop(self) -> None:
        """End it."""
        self._daemon.stop()


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking(PACKAGES):
        sys.exit(f"bench.flood: {lack}")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench.flood: it needs two CPUs, one for the daemon and one for all others")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    outcomes: list[Outcome] = []
    memory: dict[str, list[float]] = {}
    try:
        with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
            with Network(Path(folder)) as network, signals(signal.SIG_UNBLOCK):
                bench = Bench(network)
                print(heading())
                for manner in options.methods:
                    for kind in options.kinds:
                        for rate in options.rates:
                            outcomes.append(bench.flood(manner, kind, rate, options.tries))
                            print(row(outcomes[-1]), flush=True)
                if options.memory:
                    memory = bench.memory(options.methods)
                    print(grown(memory))
    except KeyboardInterrupt:
        sys.exit("bench.flood: interrupted, and cleaned up")
    if options.rst:
        options.rst.write_text(tableOf(outcomes).rst(ABOUTS, []))
    if options.json:
        result = {**figures({}), "floods": [asdict(each) for each in outcomes], "memory": memory}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.flood", description="Under a flood.")
    add = parser.add_argument
    add("--tries", type=int, default=100, help="knocks under each flood (100)")
    add("--rates", type=_listOf(int), default=RATES, help="datagrams a second, 0 for the most")
    add("--kinds", type=_listOf(str), default=KINDS, help=f"of {','.join(KINDS)}")
    add("--manners", type=_listOf(str), default=("plain", "sealed"), help="plain,sealed")
    add("--no-memory", dest="memory", action="store_false", help="leave out the memory")
    add("--json", type=Path, metavar="FILE", help="where raw figures go")
    add("--rst", type=Path, metavar="FILE", help="where the table goes, as reStructuredText")
    options = parser.parse_args()
    if not 1 <= options.tries <= 1000:
        parser.error(f"--tries {options.tries}: 1 to 1000 are allowed")
    for name, allowed in (("kinds", KINDS), ("manners", ("plain", "sealed"))):
        if strange := {*getattr(options, name)} - {*allowed}:
            parser.error(f"--{name}: {', '.join(strange)}: allowed are {', '.join(allowed)}")
    for name in ("json", "rst"):
        file = getattr(options, name)
        if file and not file.parent.is_dir():
            parser.error(f"--{name} {file}: there is no such directory")
    return options


def _listOf(kind: type) -> Callable[[str], list[Any]]:
    return lambda text: [kind(each) for each in text.split(",")]


class Bench:
    """The hosts, and what is done on them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._key = makeKey()
        self._generator = Generator(network.folder)
        self._mac = macOf(network.server, "client")
        self._daemonCPU, *_, self._otherCPU = sorted(os.sched_getaffinity(0))
        expect(network.server, CLIENT4)
        network.server.serve(PROTECTED)
        self._prober = Prober(network, SEQUENCE, PROTECTED)
        network.server.serve(PLAIN_PROTECTED)
        self._plainProber = Prober(network, PLAIN_SEQUENCE, PLAIN_PROTECTED)
        self._hardKey = makeKey("ecdsa521")

    def flood(self, manner: str, kind: str, rate: int, tries: int) -> Outcome:
        """Knock under a flood."""
        server = self._start(manner, kind)
        try:
            self._knock(manner, kind)  # what is only loaded now, is
            before, began = server.resident(), server.seconds()
            flood = self._begin(manner, kind, rate, SOURCES, tries=tries)
            took = []
            for _ in range(tries):
                time.sleep(random.uniform(0, PAUSE / 2))
                took.append(self._knock(manner, kind))
            worked, grown = server.seconds() - began, server.resident() - before
            sent = flood.stop()
            return Outcome(
                *(
                    manner,
                    kind,
                    rate,
                    sent.sent,
                    round(sent.rate),
                    took,
                    round(worked / sent.seconds, 3),
                ),
                *(round(grown, 1), server.dropped(), server.tracked()),
            )
        finally:
            server.stop()

    def memory(self, methods: list[str]) -> dict[str, list[float]]:
        """Megabytes more after a million addresses, and after ten million."""
        found = {}
        for manner in methods:
            kind = "first" if manner == "plain" else "sealed"
            server = self._start(manner, kind)
            before, grown = server.resident(), []
            for sources in (SOURCES, MOST_SOURCES):
                self._begin(manner, kind, 100_000, sources, sources).wait()
                grown.append(round(server.resident() - before, 1))
            found[f"{manner}, {kind}"] = grown
            server.stop()
        return found

    def _start(self, manner: str, kind: str) -> Server:
        os.sched_setaffinity(0, {self._daemonCPU})  # what is started has it, too
        options = (
            hard(self._network, self._hardKey)
            if kind in HARD
            else simple(self._network, manner, self._key)
        )
        server = Server(self._network, options)
        os.sched_setaffinity(0, {self._otherCPU})
        return server

    def _begin(
        self, manner: str, kind: str, rate: int, sources: int, count: int = 0, tries: int = 0
    ) -> Flood:
        first = FIRST
        payloads: Sequence[bytes] = ()
        if kind == "known":
            payloads = badSeals(self._key, SEQUENCE)
        elif kind in HARD:
            payloads = forgeries(self._hardKey, SEQUENCE, DOORS, FORGERIES)
            # In the addresses of those that are going to knock.
            victims, sources = self._prober if manner == "sealed" else self._plainProber, tries
            first = str(victims.upcoming())
            rate = 1 if kind == "none" else rate
        return self._generator.start(
            *(self._network.client, "server", SERVER4, self._mac, SEQUENCE, kind, rate),
            *(count or LONGEST * (rate or 1_000_000), sources, payloads, first),
        )

    def _knock(self, manner: str, kind: str) -> float | None:
        isHard = kind in HARD
        if manner == "plain":
            prober = self._plainProber if isHard else self._prober
            return prober.knock(gap=INTERVAL)
        key, door = (self._hardKey, DOORS[0]) if isHard else (self._key, "default")
        return self._prober.knock(
            sealed(key, SEQUENCE, door=door), gap=0, rounds=ROUNDS, pause=ROUND_PAUSE
        )


ABOUTS = {
    "sent": "datagrams a second that the generator sent",
    "opened": "knocks that opened, of those that were tried",
    "median": "milliseconds from the last datagram to the first answer of the port",
    "p95": "the same, of 95 in 100",
    "CPU": "processors that the daemon had at work",
    "memory": "megabytes that the daemon had resident more than before",
    "overflow": "of the flood's datagrams, the part that found no room",
}


def tableOf(outcomes: Iterable[Outcome]) -> Table:
    """What to publish."""
    rows = []
    for each in outcomes:
        times, lost = summary(each.tries), each.dropped["overflow"]
        cells = (
            *(f"{each.rate:,.0f}", opened(each)),
            *(f"{times.get(name, 0):.1f}" for name in ("median", "p95")),
            *(f"{each.cpu:.2f}", f"{each.grown:+.0f}", f"{lost / each.sent:.0%}"),
        )
        asked = f"{each.asked:,}" if each.asked else "the most"
        rows.append(Row(f"{each.manner}, {each.kind}, {asked}", [Cell(text) for text in cells]))
    return Table(list(ABOUTS), rows, ())


def opened(outcome: Outcome) -> str:
    """How many, of how many."""
    return f"{len(outcome.tries) - outcome.tries.count(None)}/{len(outcome.tries)}"


def heading() -> str:
    """The first line of the table."""
    return (
        f"{'knocks':8}{'flood':8}{'asked/s':>9}{'sent/s':>9}{'opened':>9}{'median':>9}{'p95':>9}"
        f"{'CPU':>6}{'MB more':>9}{'limit':>10}{'junk':>11}{'overflow':>10}{'tracked':>9}"
    )


def row(outcome: Outcome) -> str:
    """One of the others."""
    times = summary(outcome.tries)
    return (
        f"{outcome.manner:8}{outcome.kind:8}{outcome.asked or 'most':>9}{outcome.rate:>9.0f}"
        f"{opened(outcome):>9}"
        f"{times.get('median', 0):>9.2f}{times.get('p95', 0):>9.2f}{outcome.cpu:>6.2f}"
        f"{outcome.grown:>9.1f}"
        + "".join(
            f"{outcome.dropped[reason]:>{width}}"
            for reason, width in (("limit", 10), ("junk", 11), ("overflow", 10))
        )
        + f"{outcome.tracked:>9}"
    )


def grown(memory: dict[str, list[float]]) -> str:
    """The memory, for reading."""
    return "\n".join(
        f"{name}: {million:.1f} MB more after a million addresses, {ten:.1f} after ten million"
        for name, (million, ten) in memory.items()
    )


if __name__ == "__main__":
    main()
