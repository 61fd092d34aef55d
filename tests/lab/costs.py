"""What a daemon costs, as the kernel reports it; see proc(5)."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tests.lab.hosts import Host

_TICKS = os.sysconf("SC_CLK_TCK")


def processorTime(pid: int) -> float:
    """Return the seconds of a processor that a process and its ended children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def resident(pid: int) -> float:
    """Return the megabytes that a process has resident."""
    return _megabytes(f"/proc/{pid}/status", "VmRSS")


def kernelMemory() -> float:
    """Return the megabytes that the kernel cannot free: sets, tracked connections and others."""
    return _megabytes("/proc/meminfo", "SUnreclaim", "VmallocUsed", "Percpu")


def memoryOf(pid: int, names: Iterable[str]) -> dict[str, int]:
    """Return what the kernel says of a process's memory, in KiB, and its number of C{Threads}."""
    folder = Path(f"/proc/{pid}")
    text = (folder / "status").read_text() + (folder / "smaps_rollup").read_text()
    return {name: _readNumber(name, text) for name in names}


def wakeUps(pid: int) -> int:
    """Return the voluntary context switches of all threads of a process so far."""
    texts = [path.read_text() for path in Path(f"/proc/{pid}").glob("task/*/status")]
    return sum(_readNumber("voluntary_ctxt_switches", text) for text in texts)


def tracked(host: Host) -> int:
    """Return how many connections a host tracks."""
    return int(host.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count"))


def _megabytes(path: str, *names: str) -> float:
    """Return the sum of the lines C{name: 1024 kB} of a file."""
    lines = (line.partition(":") for line in Path(path).read_text().splitlines())
    return sum(int(rest.split()[0]) / 1024 for name, _, rest in lines if name in names)


def _readNumber(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert found is not None, name
    return int(found[1])
