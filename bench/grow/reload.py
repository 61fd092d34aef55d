"""
Reload: milliseconds until C{POST /reload} is answered, if nothing has changed, and if one door
protects one port more, or less; how long the reactor is held meanwhile, and how long knocks take to
open meanwhile, beside those in quiet. Knocks are captured, and come all the time, each from an
address of its own. C{held} includes what other programs on the machine take; C{work} is the
processor time of the reactor's thread. Medians, but the worst of C{held}, C{work} and knocks.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from bench.grow._daemon import BeatingDaemon, figures, worst, writeConf
from tests.lab.hosts import Network
from tests.lab.manydoors import PROTECTED, listSequences, writeDoors
from tests.lab.program import makeNetwork, onProcessor, pickProcessors
from tests.lab.traffic.prober import knocking

POINTS = (1, 10, 100, 1000)
COUNTS = "doors"
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
ROUNDS = 5
QUIET = 1.0
"""Seconds of knocks in quiet, and between two reloads."""


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    daemonCPU, proberCPU = pickProcessors()
    rows = []
    for count in points:
        with makeNetwork() as network:
            network.server.serve(PROTECTED)
            with onProcessor(daemonCPU):
                daemon = BeatingDaemon(network.server, _write(network, count))
            time.sleep(QUIET)
            with onProcessor(proberCPU):
                rows.append(_measureReloads(network, daemon, count))
            daemon.stop()
    return rows


def _write(network: Network, count: int, isChanged: bool = False) -> Path:
    text = writeDoors(count, isChanged=isChanged, settings=['listen = "capture"'])
    return writeConf(network.server, text)


def _measureReloads(network: Network, daemon: BeatingDaemon, count: int) -> dict[str, float]:
    sequence = listSequences(count)[0]
    with knocking(network, sequence, PROTECTED) as quiet:
        time.sleep(QUIET)
    began = time.time()
    took: dict[bool, list[float]] = {False: [], True: []}
    with knocking(network, sequence, PROTECTED) as meanwhile:
        isChanged = False
        for _ in range(ROUNDS):
            for isDifferent in (False, True):
                isChanged ^= isDifferent
                _write(network, count, isChanged)
                seconds, answer = daemon.reload()
                assert bool(answer["changes"]) == isDifferent, answer
                took[isDifferent].append(seconds)
                time.sleep(QUIET / ROUNDS)
    return {
        "nothing, ms": statistics.median(took[False]),
        "one, ms": statistics.median(took[True]),
        **worst(daemon.held(began)),
        "quiet knock, ms": figures(quiet)["knock, ms"],
        "worst quiet knock, ms": figures(quiet)["worst knock, ms"],
        **figures(meanwhile),
    }
