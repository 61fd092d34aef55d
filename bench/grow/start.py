"""
Start: seconds from exec until the daemon answers its operator, with knocks that are captured, with
sockets, and with doors that share their ports; and how long its reactor is held once it has begun
to hear knocks. C{python} is what a Python takes that loads Twisted's reactor. Medians of some
starts, which take turns.
"""

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from bench.grow._daemon import BeatingDaemon, worst, writeConf
from tests.lab.manydoors import writeDoors
from tests.lab.program import makeNetwork

POINTS = (1, 10, 100, 1000)
COUNTS = "doors"
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
ROUNDS = 3
CASES = (("disjoint", "capture"), ("disjoint", "sockets"), ("shared", "capture"))
QUIET = 0.5
"""Seconds after which everything that follows a start is over."""


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    found: dict[int, dict[str, list[float]]] = {count: defaultdict(list) for count in points}
    for _ in range(ROUNDS):
        for count, times in found.items():
            times["python, s"].append(_measurePython())
            for kind, way in CASES:
                took, held = _measureStart(count, kind, way)
                times[f"{kind}, {way}, s"].append(took)
                times["held after it, ms"].append(held)
    return [
        {name: statistics.median(each) for name, each in found[count].items()} for count in points
    ]


def _measurePython() -> float:
    with makeNetwork() as network:
        began = time.monotonic()
        network.server.run(sys.executable, "-c", "import twisted.internet.reactor")
        return time.monotonic() - began


def _measureStart(count: int, kind: str, way: str) -> tuple[float, float]:
    """Return the seconds to start, and the milliseconds that the reactor was held after that."""
    with makeNetwork() as network:
        text = writeDoors(count, kind, settings=[f'listen = "{way}"'])
        daemon = BeatingDaemon(network.server, writeConf(network.server, text))
        time.sleep(QUIET)
        # The first beat comes after the start, which holds the reactor before anything is heard.
        held = worst(daemon.held()[1:])["held, ms"]
        daemon.stop()
        return daemon.took, held
