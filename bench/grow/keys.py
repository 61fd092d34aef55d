"""
Keys of a door: milliseconds to open with the last of them, with a tag in the nonce as pkdoors'
client makes it, and without; milliseconds of processor time to parse the file; and the longest
time for which the reactor is held when the whole file is replaced by another one.

The doors are on one daemon, with the same knock ports, and take turns.
"""

import random
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
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
TRIES = 100
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
        with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
            _open(prober, doors, rows)
            for door, row in zip(doors, rows, strict=True):
                row["longest turn, ms"] = door.replace(daemon, prober)
    for name in ("open with a tag", "open without"):
        for row in rows:
            row[f"{name}, ratio"] = row[f"{name}, ms"] / rows[0][f"{name}, ms"]
    return rows


class _Door:
    """A door with many keys, of which the last one knocks."""

    def __init__(self, network: Network, number: int, count: int) -> None:
        self._name = f"d{number}"
        self._key: Key = makeKey()
        self._count = count
        self._file: Path = network.folder / f"keys{count}"
        self._file.write_text(_makeLines(count - 1) + publicLine(self._key))
        self.text = (
            f"[doors.{self._name}]\nsequence = {list(SEQUENCE)}\nports = [{PROTECTED}]\n"
            f'open_for = "1h"\nauthorized_keys = "{self._file}"\n'
        )

    def open(self, prober: Prober, isTagged: bool) -> float | None:
        """Open the door for a new address, and return the milliseconds that it took."""
        stamp = int(time.time() * 1000)
        fields = {"nonce": makeNonce(self._key.public().blob(), stamp)} if isTagged else {}
        return prober.knock(sealed(self._key, SEQUENCE, door=self._name, stamp=stamp, **fields), 0)

    def replace(self, daemon: BeatingDaemon, prober: Prober) -> float:
        """Replace all other keys, and return the milliseconds that the reactor was held."""
        new = self._file.with_suffix(".new")
        new.write_text(_makeLines(self._count - 1) + publicLine(self._key))
        began = time.time()
        new.replace(self._file)
        self.open(prober, True)
        time.sleep(SETTLED)
        return max((held.used for held in daemon.held() if held.until >= began), default=0.0)


def _open(prober: Prober, doors: Sequence[_Door], rows: Sequence[dict[str, float]]) -> None:
    times: dict[tuple[int, bool], list[float]] = {}
    for number in range(TRIES + 2):
        for at, door in enumerate(doors):
            for isTagged in (True, False):
                time.sleep(random.uniform(0, PAUSE))
                took = door.open(prober, isTagged)
                if number > 1 and took is not None:  # the first ones import modules
                    times.setdefault((at, isTagged), []).append(took)
    for at, row in enumerate(rows):
        row["open with a tag, ms"] = statistics.median(times[at, True])
        row["open without, ms"] = statistics.median(times[at, False])


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
