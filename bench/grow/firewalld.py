"""
firewalld: milliseconds from the last knock to the port's first answer beside so many openings, and
milliseconds of firewalld's processor time for each of these knocks. If its zone keeps the port
closed, each opening is a rule. If the zone is open, it lets everybody reach the port, and firewalld
is not asked. The baseline is nftables alone.

Each way has hosts of its own. They take turns, so noise on a shared machine hits all of them. The
figures are medians.
"""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from ipaddress import IPv4Address

from bench.common import PROTECTED, SEQUENCE, startDaemon
from pkdoors.adminclient.client import AdminClient
from tests.lab.costs import processorTime
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import Network, eventually
from tests.lab.program import makeNetworks
from tests.lab.traffic.prober import Prober

POINTS = (1, 100, 500, 2000)
COUNTS = "openings"
PACKAGES = {"ip": "iproute2", "firewalld": "firewalld"}

WAYS = ("nftables", "open", "closed")
TRIES = 20
"""Knocks of each way at each point. What they open is closed again before the next point."""

FIRST = IPv4Address("10.7.0.1")
"""The first of the addresses that the operator opens for."""

KNOCK_PATIENCE = 10.0
"""Seconds in which firewalld must have added the rule of a knock. Beside 2,000 rules it takes half
a second, and more if it is busy with others."""

PATIENCE = 300.0
"""Seconds in which firewalld must have removed the rules of the knocks."""


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of openings."""
    with makeNetworks(*WAYS) as networks, ExitStack() as stack:
        ways = {name: Way(stack, name, network) for name, network in networks.items()}
        return [_measurePoint(ways, count) for count in points]


def _measurePoint(ways: dict[str, "Way"], count: int) -> dict[str, float]:
    for way in ways.values():
        way.fill(count)
    for _ in range(TRIES):
        for way in ways.values():
            way.knock()
    row = {f"{name}, ms": way.takeMedian() for name, way in ways.items()}
    row |= {f"{name}, ratio": row[f"{name}, ms"] / row["nftables, ms"] for name in WAYS[1:]}
    return row | {f"{name}, firewalld's ms": ways[name].takeCost() for name in WAYS[1:]}


class Way:
    """A host with a daemon, and a client that knocks."""

    def __init__(self, stack: ExitStack, name: str, network: Network) -> None:
        server = network.server
        self._firewalld = Firewalld(server) if name != "nftables" else None
        if self._firewalld and name == "open":
            self._firewalld.cmd(f"--add-port={PROTECTED}/tcp")
        server.serve(PROTECTED)
        path = f"{network.folder}/admin.sock"
        firewall = "firewalld" if self._firewalld else "nftables"
        startDaemon(server, "--admin", path, firewall=firewall)
        self._client = AdminClient(path)
        self._prober = stack.enter_context(closing(Prober(network, SEQUENCE, PROTECTED)))
        self._count = 0
        self._spent = 0.0
        self._times: list[float] = []
        self._sources: list[IPv4Address] = []

    def fill(self, count: int) -> None:
        """Have this many openings."""
        for number in range(self._count, count):
            self._client.open(str(FIRST + number))
        self._count = count

    def knock(self) -> None:
        """Knock from a fresh address, and note the time, and what firewalld spent."""
        self._sources.append(source := self._prober.fresh())
        before = self._spentByFirewalld()
        took = self._prober.knock(source=source, patience=KNOCK_PATIENCE)
        if took is None:
            raise AssertionError(f"the door did not open for {source}")
        self._times.append(took)
        time.sleep(0.05)  # firewalld still sends its signals
        self._spent += self._spentByFirewalld() - before

    def takeMedian(self) -> float:
        """Return the median of the knocks, and close what they opened."""
        median = statistics.median(self._times)
        for source in self._sources:
            self._client.close(str(source))
        if self._firewalld and not eventually(self._isClosed, PATIENCE):
            raise AssertionError("firewalld did not remove its rules")
        self._times.clear()
        self._sources.clear()
        return median

    def takeCost(self) -> float:
        """Return the milliseconds of processor time that firewalld spent for each knock."""
        spent, self._spent = self._spent, 0.0
        return 1000 * spent / TRIES

    def _isClosed(self) -> bool:
        assert self._firewalld is not None
        return "10.78." not in self._firewalld.cmd("--list-rich-rules")

    def _spentByFirewalld(self) -> float:
        return processorTime(self._firewalld.process.popen.pid) if self._firewalld else 0.0
