"""
What a change of the guard sends the kernel, and the milliseconds that it takes: the first start; a
reload that changes nothing, one door, or all doors; and putting it back after a flush. The doors
have ports of their own.

Bytes are counted at the netlink socket, both for nft's commands and for our own messages. The best
of some runs, which take turns. "layout" is the time to compute what the kernel must have.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from pkdoors.config.parser import parseConfig
from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.netlink.kernel import Kernel
from pkdoors.firewall.netlink.library import Library
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from tests.lab.manydoors import writeDoors

POINTS = (1, 10, 100, 1000, 10_000)
COUNTS = "doors"
PACKAGES = {"nft": "nftables"}
ROUNDS = 3


class Sent:
    """Counts the bytes and the messages that go to the kernel."""

    def __init__(self) -> None:
        self.bytes = self.batches = 0

    def take(self) -> tuple[int, int]:
        """Return the bytes and the transactions since the last call."""
        found = self.bytes, self.batches
        self.bytes = self.batches = 0
        return found


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    rows: list[dict[str, float]] = [{} for _ in points]
    for _ in range(ROUNDS):
        for row, count in zip(rows, points, strict=True):
            for name, value in _measureInside(count).items():
                row[name] = min(row.get(name, float("inf")), value)
    return rows


def _measureInside(count: int) -> dict[str, float]:
    """Measure in a network of its own, so the guard of this host is not touched."""
    command = ("unshare", "-n", sys.executable, "-m", __name__, str(count))
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    pairs = (line.rsplit(" ", 1) for line in output.splitlines())
    return {name: float(value) for name, value in pairs}


def main(count: int) -> None:
    """Print the figures for so many doors."""
    sent = Sent()
    _countBytes(sent)
    doors = tuple(parseConfig(writeDoors(count), "bench").doors)
    library = Library()
    table = GuardTable(library, library.canOwn(), time.monotonic)

    def show(name: str, change: Callable[[], object]) -> None:
        sent.take()
        began = time.perf_counter()
        change()
        print(f"{name}, ms {1000 * (time.perf_counter() - began):.3f}")
        size, batches = sent.take()
        print(f"{name}, kB {size / 1000:.3f}")
        print(f"{name}, transactions {batches}")

    before = Guard(doors)
    began = time.perf_counter()
    assert before.layout.rules
    print(f"layout, ms {1000 * (time.perf_counter() - began):.3f}")
    show("start", lambda: table.replace(before, [], {}))
    show("nothing", lambda: table.change(before, before))
    one = Guard((*doors[:-1], _moved(doors[-1])))
    every = Guard(tuple(map(_moved, doors)))
    assert one.layout.rules and every.layout.rules
    show("one door", lambda: table.change(before, one))
    show("all doors", lambda: table.change(one, every))
    subprocess.run(("nft", "delete", "table", "inet", "pkdoors"), capture_output=True, check=False)
    table.close()
    library = Library()
    table = GuardTable(library, library.canOwn(), time.monotonic)
    table.delete("pkdoors")
    show("heal", lambda: table.replace(every, [], {}))


def _moved(door: Door) -> Door:
    """Return a door with other ports."""
    (ports,) = door.ports
    moved = PortRange(ports.protocol, ports.first + 10_000, ports.last + 10_000)
    return replace(door, ports=(moved,))


def _countBytes(sent: Sent) -> None:
    """Count what our own messages, and commands of nft, have the kernel do."""
    exchange, run = Kernel._exchange, Library.run

    def counted(self: Kernel, batch: bytes) -> bytes:
        if batch[4:6] == b"\x10\0":  # NFNL_MSG_BATCH_BEGIN: not a question
            sent.bytes += len(batch)
            sent.batches += 1
        return exchange(self, batch)

    def ran(self: Library, commands: str) -> None:
        sent.bytes += len(commands)
        sent.batches += 1
        run(self, commands)

    Kernel._exchange = counted  # type: ignore[method-assign]
    Library.run = ran  # type: ignore[method-assign]


if __name__ == "__main__":
    main(int(sys.argv[1]))
