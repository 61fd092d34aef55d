"""
C{pkdoors check} beside a running daemon: seconds until it ends, and its seconds of processor time.
The doors have ports of their own, no two of them adjacent, so each is judged by itself. C{sequence}
is C{pkdoors sequence}, a command that has hardly anything to do. Medians of some runs.
"""

import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence

from bench.grow._daemon import BeatingDaemon, writeConf
from tests.lab.hosts import BIN, Host
from tests.lab.manydoors import writeDoors
from tests.lab.program import makeNetwork

POINTS = (1, 10, 100, 1000)
COUNTS = "doors"
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
ROUNDS = 3


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    rows = []
    for count in points:
        with makeNetwork() as network:
            text = writeDoors(count, settings=['listen = "capture"'])
            conf = writeConf(network.server, text)
            daemon = BeatingDaemon(network.server, conf)
            times: dict[str, list[float]] = defaultdict(list)
            for _ in range(ROUNDS):
                times["sequence, s"].append(_run(network.server, "sequence")[0])
                took, cost = _run(network.server, "check", "--conf", str(conf))
                times["check, s"].append(took)
                times["processor, s"].append(cost)
            rows.append({name: statistics.median(found) for name, found in times.items()})
            daemon.stop()
    return rows


def _run(host: Host, *words: str) -> tuple[float, float]:
    """Return the seconds that a command takes, and its seconds of processor time."""
    began, before = time.monotonic(), _childrenTime()
    status, output = host.status(str(BIN / "pkdoors"), *words)
    if status not in (0, 1):
        raise AssertionError(output)
    return time.monotonic() - began, _childrenTime() - before


def _childrenTime() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
