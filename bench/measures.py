"""What is measured of each of those that are compared. Each measure gives figures, for JSON."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

from bench.badlines import LINES
from bench.costs import kernelMemory
from bench.prober import GAP
from bench.rivals import Junk
from bench.stand import Stand

Figures = dict[str, object]

LEVELS = (10_000, 50_000, 100_000, 200_000, 0)
"""Datagrams a second; 0 for as many as the generator sends."""
BUSY = 100_000
"""Datagrams a second under which the daemon's CPU is looked at."""
FILLING = 50_000
"""Datagrams a second while memory is filled."""
SOURCES = 1_000_000
"""Different addresses that a flood comes from."""
RAMP = 1.0
"""Seconds of a flood before the first try: all queues are then as full as they become."""
PAUSE = 0.1
"""The most seconds between two tries. They are random: knockd has a timer to fall in step with."""

BATCH = 20
"""Clients in one race."""

SHORT = 6
"""Seconds that a door stays open which is watched until it closes."""
LATE = 3
"""Seconds for which it is watched after that."""
LOOK = 0.002
"""Seconds between two tries to connect while a door is watched."""
CLOSE_LOOK = 0.0002
"""The same while the firewall is reloaded."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """
    How much is measured.

    @ivar tries: openings that are timed.
    @ivar under: tries under each flood.
    @ivar seconds: that a flood lasts, or longer where tries fail.
    @ivar knocks: over each kind of network.
    @ivar sources: that memory is filled by.
    """

    tries: int = 100
    under: int = 10
    seconds: float = 6.0
    knocks: int = 100
    sources: int = SOURCES


def opening(stand: Stand) -> float | None:
    """One opening: milliseconds from the last datagram to the protected port's first answer."""
    source = stand.prober.fresh()
    took = stand.prober.attempt(stand.rival.knock(source, GAP), source, stand.rival.patience)
    time.sleep(random.uniform(0, PAUSE))
    return took


def levels(stand: Stand, sizes: Sizes) -> Figures:
    """Tries to open, at a client's pace, under more and more well-formed knocks that are wrong."""
    found: list[Figures] = []
    longest = RAMP + sizes.seconds + sizes.under * (stand.rival.patience + 1)
    for level in LEVELS:
        stand.restart()
        cpu = stand.cpu()
        with stand.flood(stand.rival.wrong(), level, longest, SOURCES) as flood:
            time.sleep(RAMP)
            began = time.monotonic()
            opened = 0
            for number in range(sizes.under):
                opened += stand.knock([stand.prober.fresh()])
                due = began + (number + random.random()) * sizes.seconds / sizes.under
                time.sleep(max(0.0, due - time.monotonic()))
            sent = flood.stop()
        found.append(
            {
                "level": level,
                "rate": sent.rate,
                "opened": opened,
                "tried": sizes.under,
                "cpu": 100 * (stand.cpu() - cpu) / sent.seconds if stand.pid else None,
                "tracked": stand.tracked(),
            }
        )
    return {"levels": found}


def busy(stand: Stand, sizes: Sizes) -> Figures:
    """The daemon's share of a CPU under datagrams that are no knocks."""
    stand.restart()
    with stand.flood(Junk("junk"), BUSY, RAMP + sizes.seconds, SOURCES) as flood:
        time.sleep(RAMP)
        began, cpu = time.monotonic(), stand.cpu()
        time.sleep(sizes.seconds / 2)
        share = 100 * (stand.cpu() - cpu) / (time.monotonic() - began)
        rate = flood.stop().rate
    return {"cpu": share if stand.pid else None, "rate": rate}


def memory(stand: Stand, sizes: Sizes) -> Figures:
    """How much more memory the daemon, and the kernel, have after as many sources."""
    stand.restart()
    stand.opened()  # what is only loaded now, is
    resident, kernel, tracked = stand.resident(), kernelMemory(), stand.tracked()
    seconds = sizes.sources / FILLING
    with stand.flood(stand.rival.first(), FILLING, seconds, sizes.sources) as flood:
        sent = flood.wait()
    return {
        "sources": sent.sent,
        "resident": stand.resident(),
        "daemon": stand.resident() - resident if stand.pid else None,
        "kernel": kernelMemory() - kernel,
        "tracked": stand.tracked() - tracked,
    }


def lines(stand: Stand, sizes: Sizes) -> Figures:
    """How many knocks open over each kind of network; the same luck for all rivals."""
    opened: Figures = {}
    for name, line in LINES.items():
        stand.restart()
        chance = random.Random(name)
        count = 0
        for done in range(0, sizes.knocks, BATCH):
            sources = [stand.prober.fresh() for _ in range(min(BATCH, sizes.knocks - done))]
            count += stand.knock(sources, line, chance)
        opened[name] = count
    return {"opened": opened, "tried": sizes.knocks}


def killed(stand: Stand, sizes: Sizes) -> Figures:
    """How long a door is open whose daemon is killed with C{kill -9} one second after it opened."""
    stand.restart(SHORT)
    if not stand.pid:
        return {}
    source = stand.opened()
    began = time.perf_counter()
    came = stand.prober.follow(source, 1.0, LOOK)
    stand.rival.stop(signal.SIGKILL)
    left = began + SHORT + LATE - time.perf_counter()
    came += stand.prober.follow(source, left, LOOK)
    return {
        "openFor": SHORT,
        "answered": came[-1] - began if came else 0.0,
        "watched": SHORT + LATE,
    }


def reloaded(stand: Stand, sizes: Sizes) -> Figures:
    """
    What becomes of an open door when the administrator loads the firewall's rules again, and for
    how many milliseconds the port is open to somebody who never knocked.
    """
    stand.restart(SHORT)
    source, stranger = stand.opened(), stand.prober.fresh()
    began = time.perf_counter()
    load = Thread(target=stand.rival.loadFirewall)
    load.start()
    strangers = stand.prober.follow(stranger, 1.0, CLOSE_LOOK)
    load.join()
    left = began + SHORT + LATE - time.perf_counter()
    came = stand.prober.follow(source, left, LOOK)
    return {
        "openFor": SHORT,
        "answered": came[-1] - began if came else 0.0,
        "strangers": 1000 * (strangers[-1] - strangers[0]) if strangers else 0.0,
        "again": bool(stand.knock([stand.prober.fresh()])),
    }


MEASURES: dict[str, Callable[[Stand, Sizes], Figures]] = {
    "levels": levels,
    "busy": busy,
    "memory": memory,
    "lines": lines,
    "killed": killed,
    "reloaded": reloaded,
}
"""All but the time to open, for which the rivals take turns."""
