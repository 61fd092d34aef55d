"""
Sealed doors that share their knock ports: milliseconds to open one of them, and how many of the
honest knocks open while 10,000 datagrams with junk seals arrive each second, and each seal arrives
at every port; the share of a processor that the daemon uses then, and how much its memory grows.

The client sends each knock three times, as pkdoors' client does.
"""

import random
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from twisted.conch.ssh.keys import Key

from bench.common import PROTECTED, SEQUENCE
from bench.grow._daemon import BeatingDaemon
from pkdoors.client.core.plan import ROUND_PAUSE, ROUNDS
from pkdoors.knocks.seal import makeNonce
from tests.lab.costs import processorTime, resident
from tests.lab.hosts import CLIENT4, SERVER4, Network
from tests.lab.program import makeNetwork
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.lab.traffic.generator import FIRST, Flood, Generator, forgeSeals, macOf, routeSources
from tests.lab.traffic.prober import Prober

POINTS = (1, 10, 100, 1000)
COUNTS = "doors"
PACKAGES = {"ip": "iproute2", "nft": "nftables", "cc": "gcc"}
RATE = 10_000
TRIES = 60
PAUSE = 0.05
FORGERIES = 20_000
SOURCES = 100_000
LONGEST = 120


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    rows = [_measureOne(count) for count in points]
    for row in rows:
        for name in ("quiet", "flooded"):
            row[f"{name}, ratio"] = row[f"{name}, ms"] / rows[0][f"{name}, ms"]
    return rows


def _measureOne(count: int) -> dict[str, float]:
    key = makeKey()
    names = [f"d{number:04}" for number in range(count)]
    with makeNetwork() as network, ExitStack() as stack:
        network.server.serve(PROTECTED)
        routeSources(network.server, CLIENT4)
        daemon = BeatingDaemon(network.server, _writeConf(network, names, key))
        pid = daemon.process.popen.pid
        prober = stack.enter_context(closing(Prober(network, SEQUENCE, PROTECTED)))
        _knock(prober, key, names[-1])  # imports modules
        quiet = [_knock(prober, key, random.choice(names)) for _ in range(TRIES)]
        before, busy, began = resident(pid), processorTime(pid), time.monotonic()
        flood = _startFlood(network, names)
        flooded = [_knock(prober, key, random.choice(names)) for _ in range(TRIES)]
        share = (processorTime(pid) - busy) / (time.monotonic() - began)
        grown = resident(pid) - before
        return {
            "sent a second": flood.stop().rate,
            "quiet, ms": _median(quiet),
            "flooded, ms": _median(flooded),
            "opened of 100": 100 * (TRIES - flooded.count(None)) / TRIES,
            "processor": share,
            "grown, MB": grown,
        }


def _writeConf(network: Network, names: Sequence[str], key: Key) -> Path:
    keys = network.folder / "keys"
    keys.write_text(publicLine(key))
    conf = network.folder / "doors.toml"
    doors = (
        f"[doors.{name}]\nsequence = {list(SEQUENCE)}\nports = [{PROTECTED}]\n"
        f'open_for = "1h"\nauthorized_keys = "{keys}"\n'
        for name in names
    )
    conf.write_text('firewall = "nftables"\nlisten = "sockets"\n' + "".join(doors))
    conf.chmod(0o600)
    return conf


def _startFlood(network: Network, names: Sequence[str]) -> Flood:
    """Send junk seals for all the doors, by a key that the daemon does not know."""
    return Generator(network.folder).start(
        network.client,
        device="server",
        target=SERVER4,
        targetMac=macOf(network.server, "client"),
        ports=SEQUENCE,
        kind="seals",
        rate=RATE,
        count=LONGEST * RATE,
        sources=SOURCES,
        payloads=forgeSeals(makeKey(), SEQUENCE, names, FORGERIES),
        first=FIRST,
    )


def _knock(prober: Prober, key: Key, name: str) -> float | None:
    time.sleep(random.uniform(0, PAUSE))
    stamp = int(time.time() * 1000)
    nonce = makeNonce(key.public().blob(), stamp)
    datagram = sealed(key, SEQUENCE, door=name, stamp=stamp, nonce=nonce)
    return prober.knock(datagram, gap=0, rounds=ROUNDS, pause=ROUND_PAUSE)


def _median(times: Sequence[float | None]) -> float:
    return statistics.median([took for took in times if took is not None] or [float("nan")])
