"""The counters, in Prometheus' text format."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pkdoors import __version__
from pkdoors.admin._recording import recordDoors
from pkdoors.doorkeeper.state import Snapshot
from pkdoors.events.counters import BUCKETS, Counters

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The format; prometheus.io, "Exposition formats"."""


def loadFormat() -> None:
    """Load the library that writes the format. It takes some tenths of a second: use a thread."""
    import prometheus_client  # noqa: F401


def formatMetrics(state: Snapshot, counters: Counters) -> bytes:
    """Return all metrics, as text."""
    # Import it only here: hardly any daemon is asked for metrics.
    from prometheus_client import CollectorRegistry, generate_latest

    class Collector:
        def collect(self) -> "Iterator[Metric]":
            return _makeMetrics(state, counters)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry)


def _makeMetrics(state: Snapshot, counters: Counters) -> "Iterator[Metric]":
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
    )

    def counter(name: str, about: str, *labels: str) -> CounterMetricFamily:
        return CounterMetricFamily(f"pkdoors_{name}", about, labels=labels)

    yield InfoMetricFamily("pkdoors", "The daemon", {"version": __version__.public()})
    knocks = counter("knocks", "Datagrams on knock ports, by what became of them", "result")
    for result, count in counters.knocks.items():
        knocks.add_metric([result], count)
    yield knocks
    dropped = counter("dropped_datagrams", "Datagrams that were dropped unheard", "reason")
    for reason, count in counters.dropped().items():
        dropped.add_metric([reason], count)
    yield dropped
    events = counter("events", "What happened", "event")
    for kind, count in counters.events.items():
        events.add_metric([kind], count)
    yield events
    for name, about, kind in (
        ("openings", "Doors that opened for an address", "opened"),
        ("heals", "Restorations of what others took out of a firewall", "healed"),
    ):
        yield CounterMetricFamily(f"pkdoors_{name}", about, counters.events[kind])
    calls = counter("firewall_calls", "Calls to the firewalls", "firewall", "call", "result")
    for labels, count in sorted(counters.firewall.items()):
        calls.add_metric(labels, count)
    yield calls
    opened = GaugeMetricFamily("pkdoors_open_doors", "Openings at this moment", labels=["door"])
    tracked = GaugeMetricFamily(
        "pkdoors_sources_tracked", "Knockers, or sealed knocks, that take memory", labels=["door"]
    )
    for door in recordDoors(state):
        opened.add_metric([door.name], door.openings)
        tracked.add_metric([door.name], door.sources)
    yield from (opened, tracked)
    yield HistogramMetricFamily(
        "pkdoors_time_to_open_seconds",
        "From the request until the firewall had the opening",
        buckets=list(_cumulate(counters)),
        sum_value=counters.timesSum,
    )


def _cumulate(counters: Counters) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counters.times, strict=True):
        total += count
        yield bound, total
