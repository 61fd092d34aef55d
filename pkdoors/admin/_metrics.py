"""The counters, in Prometheus' text format."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pkdoors import __version__
from pkdoors.admin._recording import recordDoors
from pkdoors.doorkeeper.openings.state import Snapshot
from pkdoors.events.counters import BUCKETS, Counters
from pkdoors.events.event import HEALED, KINDS

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
    yield from _makeCounters(state, counters)
    yield from _makeGauges(state, counters)
    yield _makeHistogram(counters)


def _makeCounters(state: Snapshot, counters: Counters) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily

    def counter(
        name: str, about: str, labels: Sequence[str], counts: Iterable[tuple[Sequence[str], int]]
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(f"pkdoors_{name}", about, labels=labels)
        for values, count in counts:
            family.add_metric(values, count)
        return family

    def countBy(
        label: str, name: str, about: str, counts: Mapping[str, int], known: Iterable[str] = ()
    ) -> CounterMetricFamily:
        """Also those that are known and have not been counted yet: a series begins at 0."""
        values = dict.fromkeys((*known, *counts))
        return counter(name, about, [label], (([value], counts.get(value, 0)) for value in values))

    doors = [door.name for door in state.doors]
    about = "Datagrams that reached a knock port, by what they were"
    yield countBy("result", "knock_datagrams", about, counters.knocks)
    about = "Datagrams that the kernel dropped before they were heard"
    yield countBy("reason", "dropped_datagrams", about, counters.dropped())
    yield countBy("event", "events", "Events, by kind", counters.events, KINDS)
    about = "Openings that began, by door"
    yield countBy("door", "opened", about, counters.opened, doors)
    yield countBy("door", "refused", "Knocks that were refused, by door", counters.refused, doors)
    about = "Restorations of what others removed from a firewall"
    yield CounterMetricFamily("pkdoors_heals", about, counters.events[HEALED])
    labels, calls = ("firewall", "call", "result"), sorted(counters.firewall.items())
    yield counter("firewall_calls", "Calls to the firewalls", labels, calls)
    yield countBy("result", "hooks", "Hooks, by how they ended", counters.hooks)
    about = "Events that are missing in the audit file, because it could not be written"
    yield CounterMetricFamily("pkdoors_audit_lost_lines", about, counters.lostLines())


def _makeGauges(state: Snapshot, counters: Counters) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily("pkdoors_up", "Whether the daemon runs", 1)
    about = "Whether the rules of pkdoors are in this firewall, as far as the daemon knows"
    inPlace = GaugeMetricFamily("pkdoors_firewall_in_place", about, labels=["firewall"])
    for name, isInPlace in counters.inPlace().items():
        inPlace.add_metric([name], isInPlace)
    yield inPlace
    about = "Whether the last attempt to apply a configuration succeeded"
    good = counters.isReloadGood
    yield GaugeMetricFamily("pkdoors_config_last_reload_successful", about, good)
    about = "When a configuration was last applied, in seconds since 1970; the start counts"
    yield GaugeMetricFamily(
        "pkdoors_config_last_reload_success_timestamp_seconds", about, counters.reloadTime
    )
    opened = GaugeMetricFamily("pkdoors_open_now", "Openings at this moment", labels=["door"])
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
