"""The counters, in Prometheus' text format."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pkdoors import __version__
from pkdoors.admin._recording import recordDoors
from pkdoors.doorkeeper.openings.state import Snapshot
from pkdoors.events.counters import BUCKETS, Counters
from pkdoors.events.event import HEALED, OPENED

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
    from prometheus_client.core import InfoMetricFamily

    yield InfoMetricFamily("pkdoors", "The daemon", {"version": __version__.public()})
    yield from _makeCounters(counters)
    yield from _makeGauges(state)
    yield _makeHistogram(counters)


def _makeCounters(counters: Counters) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily

    def counter(
        name: str, about: str, labels: Sequence[str], counts: Iterable[tuple[Sequence[str], int]]
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(f"pkdoors_{name}", about, labels=labels)
        for values, count in counts:
            family.add_metric(values, count)
        return family

    def countBy(
        label: str, name: str, about: str, counts: Mapping[str, int]
    ) -> CounterMetricFamily:
        return counter(name, about, [label], (([value], counts[value]) for value in counts))

    yield countBy("result", "knocks", "Datagrams on knock ports, by result", counters.knocks)
    about = "Datagrams that the kernel dropped before they were heard"
    yield countBy("reason", "dropped_datagrams", about, counters.dropped())
    yield countBy("event", "events", "Events, by kind", counters.events)
    yield CounterMetricFamily(
        "pkdoors_openings", "Doors that opened for an address", counters.events[OPENED]
    )
    about = "Restorations of what others removed from a firewall"
    yield CounterMetricFamily("pkdoors_heals", about, counters.events[HEALED])
    labels, calls = ("firewall", "call", "result"), sorted(counters.firewall.items())
    yield counter("firewall_calls", "Calls to the firewalls", labels, calls)


def _makeGauges(state: Snapshot) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    opened = GaugeMetricFamily("pkdoors_open_doors", "Openings at this moment", labels=["door"])
    about = "Knockers, or sealed knocks, that are in memory"
    tracked = GaugeMetricFamily("pkdoors_sources_tracked", about, labels=["door"])
    about = "Openings that their one connection has used up, until their time is over"
    used = GaugeMetricFamily("pkdoors_used_openings", about, labels=["door"])
    for door in recordDoors(state):
        opened.add_metric([door.name], door.openings)
        tracked.add_metric([door.name], door.sources)
        if door.uses == "once":
            used.add_metric([door.name], state.counts[door.name].used)
    yield from (opened, tracked, used)


def _makeHistogram(counters: Counters) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    return HistogramMetricFamily(
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
