"""
What a knock costs with many hosts. Two of them are whole: a gateway and an inner host. A crowd
stands for the others, see L{bench.fleet.crowd}.
"""

import os
import time
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from bench.common import summarize
from bench.fleet.crowd import nameOf
from bench.fleet.late import makeFleet
from bench.fleet.watch import Watch
from tests import ROOT
from tests.lab.fleet.fleet import FLEET, Fleet
from tests.lab.hosts import BIN

WHOLE = ("edge1", "web1")
OPEN_FOR = 10
"""Seconds that each opening lasts."""
LOOK = 0.2
"""Seconds between two looks whether the crowd is done."""
REST = 3.0
"""Seconds that knocks on their way have to arrive."""
_TICK = os.sysconf("SC_CLK_TCK")

Row = dict[str, float]


def measure(hosts: int, rate: int, seconds: int) -> Row:
    """Let so many hosts hear so many knocks a second together; return what each part costs."""
    crowd = tuple(map(nameOf, range(hosts - len(WHOLE))))
    door = f'open_for = "{OPEN_FOR}s"\n'
    with ExitStack() as stack:
        fleet = stack.enter_context(makeFleet(WHOLE, door=door, others=crowd))
        watch = stack.enter_context(closing(Watch([fleet.members["web1"]])))
        processes = start(stack, fleet, crowd, rate, seconds)
        parts = partsOf(fleet)
        before = {name: timeOf(pid) for name, pid in parts.items()}
        began = time.time()
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        opened: dict[str, float] = {}
        offset = time.time() - time.monotonic()

        def look() -> None:
            for _, source, now in watch.opened(LOOK):
                opened.setdefault(source, now + offset)

        while any(process.poll() is None for process in processes):
            look()
        took = time.time() - began
        while time.time() < began + took + REST:
            look()
        published = readPublished(fleet, crowd, began)
        used = sum(float(process.communicate()[0].split()[0]) for process in processes)
        costs = {name: timeOf(pid) - before[name] for name, pid in parts.items()}
        late = [
            1000 * (opened[source] - at) if source in opened else None
            for source, at in published.items()
        ]
        done = len(published)
        figures = summarize(late)
        return {
            "hosts": hosts,
            "knocks a second": done / took,
            "not opened": late.count(None),
            "late, median, ms": figures["median"],
            "late, p95, ms": figures["p95"],
            **{f"{name}, ms of CPU per knock": 1000 * cost / done for name, cost in costs.items()},
            **{f"{name}, MB": memoryOf(pid) for name, pid in parts.items()},
            "the crowd, ms of CPU per knock": 1000 * used / done,
        }


def start(
    stack: ExitStack, fleet: Fleet, crowd: tuple[str, ...], rate: int, seconds: int
) -> list[Popen[str]]:
    """Start the crowd beside the engine; its processes begin when they get a line."""
    keyFile = fleet.engine.folder / "key"
    keyFile.write_bytes(fleet.key.toString("openssh"))
    arguments = (
        fleet.engine.address,
        str(fleet.engine.authority.file),
        ",".join((*WHOLE, *crowd)),
        ",".join(crowd),
        str(seconds),
        str(rate),
        str(keyFile),
    )
    processes = []
    for role in ("follow", "publish"):
        argv = [str(BIN / "python"), "-m", "bench.fleet.crowd", role, *arguments]
        with fleet.engine.host.inside():
            process = Popen(argv, stdin=PIPE, stdout=PIPE, cwd=ROOT, text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout
        process.stdout.readline()
        processes.append(process)
    return processes


def partsOf(fleet: Fleet) -> dict[str, int]:
    """Return the processes that are measured, by name."""
    web1 = fleet.members["web1"]
    return {
        "engine": fleet.engine.pid,
        "daemon": web1.daemon.process.popen.pid,
        "pkdoors-fleet": web1.relay.popen.pid,
    }


def readPublished(fleet: Fleet, crowd: tuple[str, ...], since: float) -> dict[str, float]:
    """Return when each knock was published, by the address that it is for."""
    found: dict[str, float] = {}
    with fleet.engine.client() as asking:
        for name in crowd:
            for entry in asking.entries(f"pk:{FLEET}:log:{name}"):
                if (at := float(entry["t"])) >= since:
                    found[entry["a"].decode()] = at
    return found


def timeOf(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memoryOf(pid: int) -> float:
    """Return the megabytes that a process has in memory."""
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    return int(line.split()[1]) / 1000


def showRows(rows: list[Row]) -> str:
    """Return the figures as a table for a terminal, a column for each number of hosts."""
    names: dict[str, Any] = {name: None for row in rows for name in row}
    return "\n".join(
        f"{name:34}" + "".join(f"{row.get(name, 0):10.2f}" for row in rows) for name in names
    )
