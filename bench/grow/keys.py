"""
Keys of a door: milliseconds to open with one of the last ones, with a tag in the nonce as pkdoors'
client makes it; without, for a key that has opened like that before; and without, for the first
time; milliseconds of processor time to parse the file; and the longest time for which the reactor
is held when the whole file is replaced by another one.

The doors are on one daemon, with the same knock ports. They and the kinds of knocks take turns, in
a new order each time.
"""

import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path

from twisted.conch.ssh.keys import Key

from bench.common import PROTECTED, SEQUENCE
from bench.grow._daemon import BeatingDaemon
from pkdoors.knocks.seal import makeNonce
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from tests.lab.hosts import Network
from tests.lab.program import makeNetwork
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.lab.traffic.prober import Prober

POINTS = (1, 100, 1000, 10_000)
COUNTS = "keys"
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
TRIES = 200
FIRST = 2
"""Tries that do not count: they import modules."""
KINDS = ("with a tag", "without", "first without")
PAUSE = 0.05
SETTLED = 6.0
"""Seconds after which ten thousand lines have been parsed in slices."""


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of keys."""
    rows = [{"parse, ms": _parseTime(count)} for count in points]
    with makeNetwork() as network:
        doors = [_Door(network, number, count) for number, count in enumerate(points)]
        conf = network.folder / "keys.toml"
        conf.write_text('firewall = "nftables"\n' + "".join(door.text for door in doors))
        conf.chmod(0o600)
        network.server.serve(PROTECTED)
        daemon = BeatingDaemon(network.server, conf)
        _part(daemon)
        with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
            _open(prober, doors, rows)
            for door, row in zip(doors, rows, strict=True):
                row["longest turn, ms"] = door.replace(daemon, prober)
    for kind in KINDS:
        for row in rows:
            row[f"{kind}, ratio"] = row[f"{kind}, ms"] / rows[0][f"{kind}, ms"]
    return rows


class _Door:
    """A door with many keys, of which the last ones knock."""

    def __init__(self, network: Network, number: int, count: int) -> None:
        self._name = f"d{number}"
        self._keys: list[Key] = [makeKey() for _ in range(min(count, TRIES + FIRST + 1))]
        self._new = cycle(self._keys[1:] or self._keys)
        self._count = count
        self._file: Path = network.folder / f"keys{count}"
        self._file.write_text(self._makeText())
        self.text = (
            f"[doors.{self._name}]\nsequence = {list(SEQUENCE)}\nports = [{PROTECTED}]\n"
            f'open_for = "1h"\nauthorized_keys = "{self._file}"\n'
        )

    def _makeText(self) -> str:
        return _makeLines(self._count - len(self._keys)) + "".join(map(publicLine, self._keys))

    def open(self, prober: Prober, kind: str) -> float | None:
        """Open the door for a new address, and return the milliseconds that it took."""
        stamp = int(time.time() * 1000)
        key = next(self._new) if kind == "first without" else self._keys[0]
        fields = {"nonce": makeNonce(key.public().blob(), stamp)} if kind == "with a tag" else {}
        return prober.knock(sealed(key, SEQUENCE, door=self._name, stamp=stamp, **fields), 0)

    def replace(self, daemon: BeatingDaemon, prober: Prober) -> float:
        """Replace all other keys, and return the milliseconds that the reactor was held."""
        new = self._file.with_suffix(".new")
        new.write_text(self._makeText())
        began = time.time()
        new.replace(self._file)
        self.open(prober, KINDS[0])
        time.sleep(SETTLED)
        return max((held.used for held in daemon.held() if held.until >= began), default=0.0)


def _part(daemon: BeatingDaemon) -> None:
    """
    Give the daemon and the client, which never sleeps while it waits, a processor each: they are on
    different hosts, and do not take turns.
    """
    first, *others = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {first})
    os.sched_setaffinity(daemon.process.popen.pid, {*others} or {first})


def _open(prober: Prober, doors: Sequence[_Door], rows: Sequence[dict[str, float]]) -> None:
    times: dict[tuple[int, str], list[float]] = defaultdict(list)
    turns = [(at, kind) for at in range(len(doors)) for kind in KINDS]
    for number in range(TRIES + FIRST):
        for at, kind in random.sample(turns, len(turns)):
            time.sleep(random.uniform(0, PAUSE))
            took = doors[at].open(prober, kind)
            if number >= FIRST and took is not None:
                times[at, kind].append(took)
    for at, row in enumerate(rows):
        for kind in KINDS:
            row[f"{kind}, ms"] = statistics.median(times[at, kind])


def _parseTime(count: int) -> float:
    text = _makeLines(count)
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        parseAuthorizedKeys(text, "keys")
        best = min(best, 1000 * (time.process_time() - began))
    return best


def _makeLines(count: int) -> str:
    return "".join(publicLine(makeKey(), f"user{number}") for number in range(count))
