"""A daemon with many doors, and a heart that shows how long its reactor is held."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.common import summarize
from tests import ROOT
from tests.lab.adminclient import AdminClient
from tests.lab.hosts import Host, Process

PATIENCE = 120.0
"""Seconds for a start with ten thousand doors."""


class Held(NamedTuple):
    """
    The reactor was held.

    @ivar until: the time of day.
    @ivar missed: milliseconds, of all causes: a busy machine, other threads, the kernel.
    @ivar used: the milliseconds of processor time that the reactor's own thread used.
    """

    until: float
    missed: float
    used: float


class BeatingDaemon:
    """
    C{twistd pkdoors} on a host, with the configuration of a file.

    @ivar took: seconds from exec until it was ready.
    @ivar admin: its admin socket.
    """

    def __init__(self, host: Host, conf: Path, **environment: str) -> None:
        self._beats = host.folder / "beats"
        self._beats.write_text("")
        self.admin = host.folder / "admin.sock"
        host.haveNotes("--conf", str(conf))
        began = time.monotonic()
        self.process: Process = host.spawn(
            *(sys.executable, "-m", "bench.grow._heartbeat", str(self._beats)),
            *("-n", "--pidfile=", "pkdoors", "--conf", str(conf), "--admin", str(self.admin)),
            PYTHONPATH=str(ROOT),
            **environment,
        )
        self._awaitReady()
        self.took = time.monotonic() - began

    def _awaitReady(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.popen.poll() is None:
            if self.admin.exists():
                return
            time.sleep(0.005)
        raise AssertionError(f"the daemon did not start: {self.process.log()[-2000:]}")

    def reload(self) -> tuple[float, Any]:
        """Reload. Return the milliseconds that it took, and the answer."""
        began = time.monotonic()
        answer = AdminClient(self.admin).post("/reload")
        return 1000 * (time.monotonic() - began), answer

    def held(self, since: float = 0.0) -> list[Held]:
        """Return how long the reactor was held since a time of day."""
        lines = (line.split(" ", 3)[:3] for line in self._beats.read_text().splitlines())
        found = (Held(*map(float, line)) for line in lines)
        return [held for held in found if held.until > since]

    def places(self, since: float = 0.0) -> list[str]:
        """Return the same as text, with the places if C{STACKS} is in its environment."""
        lines = self._beats.read_text().splitlines()
        return [line for line in lines if float(line.split(" ")[0]) > since]

    def stop(self) -> None:
        """End it."""
        self.process.stop()


def worst(found: Sequence[Held]) -> dict[str, float]:
    """Return the longest time that the reactor was held, and the most that it worked at a time."""
    return {
        "held, ms": max((held.missed for held in found), default=0.0),
        "work, ms": max((held.used for held in found), default=0.0),
    }


def writeConf(host: Host, text: str) -> Path:
    """Write a configuration as its owner would."""
    conf = host.folder / "pkdoors.toml"
    conf.write_text(text)
    conf.chmod(0o600)
    return conf


def figures(times: Sequence[float | None]) -> dict[str, float]:
    """Return the figures of some knocks: how long they took to open, and how many failed."""
    opened = summarize(times)
    return {
        "knock, ms": opened.get("median", 0.0),
        "worst knock, ms": opened.get("max", 0.0),
        "knocks": len(times),
        "knocks that failed": times.count(None),
    }
