"""The measures that each rival goes through. Each returns figures, for JSON."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

from bench.rivals.rival import Junk
from bench.rivals.testbed import Testbed
from tests.lab.costs import kernelMemory
from tests.lab.traffic.lines import LINES
from tests.lab.traffic.prober import GAP

Figures = dict[str, object]

LEVELS = (10_000, 50_000, 100_000, 200_000, 0)
"""Datagrams a second; 0 for as many as the generator can send."""
BUSY = 100_000
"""Datagrams a second while the daemon's CPU is measured."""
FILLING = 50_000
"""Datagrams a second while they fill the memory."""
SOURCES = 1_000_000
"""How many addresses a flood comes from."""
RAMP = 1.0
"""Seconds of a flood before the first try, after which all queues are as full as they get."""
PAUSE = 0.1
"""The most seconds between two tries. They are random, because knockd has a timer, and the tries
must not fall in step with it."""

BATCH = 20
"""Clients in one race."""

SHORT = 6
"""Seconds that a door stays open if it is watched until it closes."""
LATE = 3
"""Seconds to watch it after that."""
LOOK = 0.002
"""Seconds between two tries to connect while watching a door."""
CLOSE_LOOK = 0.0002
"""The same during a reload of the firewall."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """
    How much to measure.

    @ivar tries: openings to time.
    @ivar under: tries under each flood.
    @ivar seconds: how long a flood lasts, or longer if tries fail.
    @ivar knocks: knocks over each kind of network.
    @ivar sources: addresses that fill the memory.
    """

    tries: int = 100
    under: int = 10
    seconds: float = 6.0
    knocks: int = 100
    sources: int = SOURCES


def timeOpening(testbed: Testbed) -> float | None:
    """Return the milliseconds from the last datagram to the protected port's first answer."""
    source = testbed.prober.fresh()
    took = testbed.prober.attempt(testbed.rival.knock(source, GAP), source, testbed.rival.patience)
    time.sleep(random.uniform(0, PAUSE))
    return took


def levels(testbed: Testbed, sizes: Sizes) -> Figures:
    """Try to open, at a client's pace, under more and more well-formed but wrong knocks."""
    found: list[Figures] = []
    longest = RAMP + sizes.seconds + sizes.under * (testbed.rival.patience + 1)
    for level in LEVELS:
        testbed.restart()
        before = testbed.processorTime()
        with testbed.flood(testbed.rival.wrong(), level, longest, SOURCES) as flood:
            time.sleep(RAMP)
            began = time.monotonic()
            opened = 0
            for number in range(sizes.under):
                opened += testbed.knock([testbed.prober.fresh()])
                due = began + (number + random.random()) * sizes.seconds / sizes.under
                time.sleep(max(0.0, due - time.monotonic()))
            sent = flood.stop()
        used = testbed.processorTime() - before
        found.append(
            {
                "level": level,
                "rate": sent.rate,
                "opened": opened,
                "tried": sizes.under,
                "cpu": 100 * used / sent.seconds if testbed.pid else None,
                "tracked": testbed.tracked(),
            }
        )
    return {"levels": found}


def busy(testbed: Testbed, sizes: Sizes) -> Figures:
    """Measure the daemon's share of a CPU under datagrams that are not knocks."""
    testbed.restart()
    with testbed.flood(Junk("junk"), BUSY, RAMP + sizes.seconds, SOURCES) as flood:
        time.sleep(RAMP)
        began, cpu = time.monotonic(), testbed.processorTime()
        time.sleep(sizes.seconds / 2)
        share = 100 * (testbed.processorTime() - cpu) / (time.monotonic() - began)
        rate = flood.stop().rate
    return {"cpu": share if testbed.pid else None, "rate": rate}


def memory(testbed: Testbed, sizes: Sizes) -> Figures:
    """Measure how much the memory of the daemon, and of the kernel, grows with the sources."""
    testbed.restart()
    testbed.open()  # to load modules that are only loaded now
    resident, kernel, tracked = testbed.resident(), kernelMemory(), testbed.tracked()
    seconds = sizes.sources / FILLING
    with testbed.flood(testbed.rival.first(), FILLING, seconds, sizes.sources) as flood:
        sent = flood.wait()
    return {
        "sources": sent.sent,
        "resident": testbed.resident(),
        "daemon": testbed.resident() - resident if testbed.pid else None,
        "kernel": kernelMemory() - kernel,
        "tracked": testbed.tracked() - tracked,
    }


def lines(testbed: Testbed, sizes: Sizes) -> Figures:
    """Count the knocks that open over each kind of network; chance treats all rivals alike."""
    opened: Figures = {}
    for name, line in LINES.items():
        testbed.restart()
        chance = random.Random(name)
        count = 0
        for done in range(0, sizes.knocks, BATCH):
            sources = [testbed.prober.fresh() for _ in range(min(BATCH, sizes.knocks - done))]
            count += testbed.knock(sources, line, chance)
        opened[name] = count
    return {"opened": opened, "tried": sizes.knocks}


def killed(testbed: Testbed, sizes: Sizes) -> Figures:
    """Measure how long a door stays open if C{kill -9} ends its daemon after one second."""
    testbed.restart(SHORT)
    if not testbed.pid:
        return {}
    source = testbed.open()
    began = time.perf_counter()
    came = testbed.prober.follow(source, 1.0, LOOK)
    testbed.rival.stop(signal.SIGKILL)
    left = began + SHORT + LATE - time.perf_counter()
    came += testbed.prober.follow(source, left, LOOK)
    return {
        "openFor": SHORT,
        "answered": came[-1] - began if came else 0.0,
        "watched": SHORT + LATE,
    }


def reloaded(testbed: Testbed, sizes: Sizes) -> Figures:
    """
    Load the firewall's rules again, as the administrator does. Measure how long the door stays
    open, and for how many milliseconds the port is open to somebody who never knocked.
    """
    testbed.restart(SHORT)
    source, stranger = testbed.open(), testbed.prober.fresh()
    began = time.perf_counter()
    load = Thread(target=testbed.rival.loadFirewall)
    load.start()
    strangers = testbed.prober.follow(stranger, 1.0, CLOSE_LOOK)
    load.join()
    left = began + SHORT + LATE - time.perf_counter()
    came = testbed.prober.follow(source, left, LOOK)
    return {
        "openFor": SHORT,
        "answered": came[-1] - began if came else 0.0,
        "strangers": 1000 * (strangers[-1] - strangers[0]) if strangers else 0.0,
        "again": bool(testbed.knock([testbed.prober.fresh()])),
    }


MEASURES: dict[str, Callable[[Testbed, Sizes], Figures]] = {
    "levels": levels,
    "busy": busy,
    "memory": memory,
    "lines": lines,
    "killed": killed,
    "reloaded": reloaded,
}
"""All but the time to open: for that the rivals take turns."""
