"""What a daemon costs, as the kernel tells it; see proc(5)."""

import os
from pathlib import Path

from tests.lab.hosts import Host

_TICKS = os.sysconf("SC_CLK_TCK")


def processorTime(pid: int) -> float:
    """Seconds of a processor that a process, and what it ran, has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def resident(pid: int) -> float:
    """Megabytes that a process has resident."""
    return _megabytes(f"/proc/{pid}/status", "VmRSS")


def kernelMemory() -> float:
    """Megabytes that the kernel cannot give back: sets, tracked connections, and what there is."""
    return _megabytes("/proc/meminfo", "SUnreclaim", "VmallocUsed", "Percpu")


def tracked(host: Host) -> int:
    """Connections that a host tracks."""
    return int(host.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count"))


def _megabytes(path: str, *names: str) -> float:
    """The sum of the lines C{name: 1024 kB} of a file."""
    lines = (line.partition(":") for line in Path(path).read_text().splitlines())
    return sum(int(rest.split()[0]) / 1024 for name, _, rest in lines if name in names)
