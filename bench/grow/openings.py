"""
Openings: time to open one more, to see the status, a page and all of them, to reload, to heal, to
take them over and to close them all; the longest time that each of these works in the reactor at a
time; and memory. The first point is the baseline.

Knocks open from fresh addresses; an operator's requests have opened the others. C{take over} is a
kill and a start, of which C{start} is what it takes without openings. C{heal} is from the removal
of the guard until the last opening is back; C{closed} is when the guard lets nobody in any more,
C{logged} when the last one has its line.
"""

import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address

from bench.common import KNOCKS, PROTECTED, SEQUENCE
from bench.grow._daemon import BeatingDaemon, worst, writeConf
from pkdoors.adminclient.client import AdminClient
from pkdoors.config.values import MOST_OF_DOOR
from pkdoors.errors import NoDaemon
from tests.lab.adminclient import AdminClient as QuickClient
from tests.lab.costs import resident
from tests.lab.hosts import Host
from tests.lab.program import makeNetwork
from tests.lab.traffic.prober import Prober

POINTS = (1, 1000, 16_000, 65_000)
COUNTS = "openings"
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
TRIES = 15
PATIENCE = 120.0
FIRST = IPv4Address("10.0.0.1")


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of openings."""
    return [_Point(count).take() for count in points]


class _Point:
    """A daemon with so many openings."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._row: dict[str, float] = {}

    def take(self) -> dict[str, float]:
        """Return the figures."""
        with makeNetwork() as network:
            host = network.server
            host.serve(PROTECTED)
            self._write(host, hours=100)
            self._begin(host)
            self._row["start, s"] = self._daemon.took
            self._open()
            with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
                self._repeat("knock", lambda: prober.knock() or 1000.0)
            self._look()
            self._change(host)
            self._heal(host)
            self._takeOver(host)
            self._close()
            self._daemon.stop()
        return self._row

    def _write(self, host: Host, hours: int) -> None:
        self._conf = writeConf(
            host,
            f'firewall = "nftables"\n[doors.ssh]\nsequence = [{KNOCKS}]\nports = [{PROTECTED}]\n'
            f'open_for = "1h"\nmax_open_for = "{hours}h"\nmax_openings = {MOST_OF_DOOR}\n',
        )

    def _begin(self, host: Host) -> None:
        self._daemon = BeatingDaemon(host, self._conf)
        self._client = AdminClient(f"{host.folder}/admin.sock", PATIENCE)
        self._wait(self._answers)  # its socket exists before it listens

    def _answers(self) -> bool:
        try:
            self._client.status(limit=0)
        except NoDaemon:
            return False
        return True

    def _open(self) -> None:
        """Open for all, and note what that takes."""
        before = resident(self._daemon.process.popen.pid)
        with closing(QuickClient(self._daemon.admin)) as quick:
            quick.openAll((str(FIRST + number) for number in range(self._count)), seconds=36_000)
        grown = resident(self._daemon.process.popen.pid) - before
        self._row["memory, kB each"] = 1000 * grown / self._count

    def _look(self) -> None:
        """Look at them, as commands do."""
        self._repeat("page", lambda: _time(lambda: self._client.status(limit=50)))
        self._repeat(
            "within", lambda: _time(lambda: self._client.status(within="10.0.0.0/30", limit=50))
        )
        with self._noting("all"):
            self._row["all, ms"] = _time(self._client.status)

    def _change(self, host: Host) -> None:
        """Reload, with another time that is allowed."""
        self._write(host, hours=200)
        with self._noting("reload"):
            self._row["reload, ms"] = _time(self._client.reload)

    def _heal(self, host: Host) -> None:
        with self._noting("heal"):
            began = time.monotonic()
            host.run("nft", "delete", "table", "inet", "pkdoors")
            self._wait(lambda: self._heals() > 0)
            self._row["heal, s"] = time.monotonic() - began

    def _heals(self) -> float:
        found: float = self._client.status(limit=0)["counters"]["heals"]
        return found

    def _takeOver(self, host: Host) -> None:
        self._daemon.process.stop(signal.SIGKILL)
        self._daemon.admin.unlink()  # or it would seem to be ready
        self._begin(host)
        self._row["take over, s"] = self._daemon.took
        self._wait(lambda: self._events("taken-over") >= self._count)
        found = worst(self._daemon.held()[1:])  # the first one is the start, before it hears
        self._row["take over, held ms"] = found["work, ms"]

    def _close(self) -> None:
        count = self._client.status(limit=0)["total"]
        if count < self._count:
            raise AssertionError(f"only {count} openings")
        with self._noting("close"):
            began = time.monotonic()
            answer = self._client.close(limit=20)
            self._row["closed, s"] = time.monotonic() - began
            if answer["counts"] != {"closed": count, "following": 0, "refused": 0}:
                raise AssertionError(f"not all are closed: {answer['counts']}")
            self._wait(lambda: self._events("closed") >= count)
            self._row["logged, s"] = time.monotonic() - began

    def _events(self, kind: str) -> int:
        found: int = self._client.status(limit=0)["counters"]["events"].get(kind, 0)
        return found

    def _repeat(self, name: str, work: Callable[[], float]) -> None:
        """Do work some times; note the median of its milliseconds."""
        with self._noting(name):
            self._row[f"{name}, ms"] = statistics.median(work() for _ in range(TRIES))

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Note how long the reactor is held meanwhile."""
        began = time.time()
        yield
        time.sleep(0.1)
        self._row[f"{name}, held ms"] = worst(self._daemon.held(began))["work, ms"]

    def _wait(self, isDone: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not isDone():
            if time.monotonic() > end:
                raise AssertionError("that takes too long")
            time.sleep(0.05)


def _time(work: Callable[[], object]) -> float:
    """Return the milliseconds that work takes, reading the answer included."""
    began = time.monotonic()
    work()
    return 1000 * (time.monotonic() - began)
