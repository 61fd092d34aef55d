"""
Tests of L{pkdoors.events.counters}, L{pkdoors.admin._metrics} and L{pkdoors.firewall.counted}.
"""

import random
from collections.abc import Mapping
from types import MappingProxyType

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors import __version__
from pkdoors.admin._metrics import formatMetrics
from pkdoors.admin._recording import recordCounters
from pkdoors.admin.records import simplify
from pkdoors.doorkeeper.openings.state import Count, Snapshot
from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.events.counters import BUCKETS, HOOK_FAILED, Counters
from pkdoors.events.event import (
    CLOSED,
    EXTENDED,
    GUARDING,
    HEALED,
    OPENED,
    REFUSED,
    RELOAD_REFUSED,
    RELOADED,
    Event,
)
from pkdoors.firewall.counted import CountedFirewall
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door
from tests.fakes.doors import makeDoor, makeOpening
from tests.fakes.firewall import FakeFirewall

NO = FirewallError("no")


def parsed(
    counters: Counters,
    counts: Mapping[str, Count] = MappingProxyType({}),
    doors: tuple[Door, ...] = (),
) -> dict[str, float]:
    """Return the metrics as Prometheus reads them: C{name{label=value}} and the number."""
    state = Snapshot(10.0, 0.0, doors, counts, {"ssh": 3})
    text = formatMetrics(state, counters).decode()
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class CountersTests(SynchronousTestCase):
    """
    Tests of L{Counters}.
    """

    def setUp(self) -> None:
        """Make counters."""
        self.counters = Counters()

    def test_nothing(self) -> None:
        """At first all counters are zero."""
        self.assertEqual(
            {
                "knocks": {"request": 0, "refused": 0, "other": 0},
                "dropped": {},
                "events": {},
                "firewall_calls": {"ok": 0, "failed": 0},
                "heals": 0,
            },
            simplify(recordCounters(self.counters)),
        )

    def test_events(self) -> None:
        """Events are counted by kind, including those that were left out."""
        for event in (Event(OPENED, 0.0), Event(CLOSED, 0.0), Event(REFUSED, 0.0, leftOut=41)):
            self.counters.hear(event)
        self.counters.hear(Event(HEALED, 0.0))
        self.assertEqual(
            {"closed": 1, "healed": 1, "opened": 1, "refused": 42},
            recordCounters(self.counters).events,
        )
        self.assertEqual(1, recordCounters(self.counters).heals)

    def test_times(self) -> None:
        """Only openings are timed, and a bucket includes its bound."""
        self.counters.hear(Event(OPENED, 0.0, took=0.001))
        self.counters.hear(Event(EXTENDED, 0.0, took=0.0011))
        self.counters.hear(Event(OPENED, 0.0, took=11.0))
        self.counters.hear(Event(CLOSED, 0.0, took=5.0))
        at = BUCKETS.index(0.001)
        expected = [0] * (len(BUCKETS) + 1)
        expected[at] = expected[at + 1] = expected[-1] = 1
        self.assertEqual(expected, self.counters.times)
        self.assertAlmostEqual(11.0021, self.counters.timesSum)


class MetricsTests(SynchronousTestCase):
    """
    Tests of L{formatMetrics}.
    """

    def test_nothing(self) -> None:
        """Counters at zero can be read, too."""
        metrics = parsed(Counters())
        self.assertEqual(1.0, metrics[f"pkdoors_info{{version={__version__.public()}}}"])
        self.assertEqual(0.0, metrics["pkdoors_knock_datagrams_total{result=request}"])
        self.assertEqual(0.0, metrics["pkdoors_events_total{event=opened}"])
        self.assertEqual(0.0, metrics["pkdoors_time_to_open_seconds_count"])

    def test_all(self) -> None:
        """Every counter is exposed."""
        counters = Counters()
        counters.knocks["refused"] = 7
        counters.firewall[("nftables", "open", "failed")] = 2
        ssh, web = makeDoor(name="ssh"), makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        counters.hear(Event(OPENED, 0.0, door=ssh))
        counters.hear(Event(REFUSED, 0.0, door=ssh, leftOut=2))
        counters.hear(Event(HEALED, 0.0))
        counters.hear(Event(GUARDING, 16.0, door=ssh))
        counters.hear(Event(RELOADED, 17.0))
        counters.hear(Event(RELOAD_REFUSED, 18.0))
        counters.countHook(HOOK_FAILED)
        counters.lostLines = lambda: 4
        counters.inPlace = lambda: {"nftables": True, "firewalld": False}
        counts = {"ssh": Count(1, 0, 0), "web": Count(0, 0, 0)}
        metrics = parsed(counters, counts, doors=(ssh, web))
        for name, value in {
            "pkdoors_knock_datagrams_total{result=refused}": 7,
            "pkdoors_events_total{event=opened}": 1,
            "pkdoors_opened_total{door=ssh}": 1,
            "pkdoors_opened_total{door=web}": 0,
            "pkdoors_refused_total{door=ssh}": 3,
            "pkdoors_hooks_total{result=failed}": 1,
            "pkdoors_hooks_total{result=ok}": 0,
            "pkdoors_audit_lost_lines_total": 4,
            "pkdoors_up": 1,
            "pkdoors_firewall_in_place{firewall=nftables}": 1,
            "pkdoors_firewall_in_place{firewall=firewalld}": 0,
            "pkdoors_config_last_reload_successful": 0,
            "pkdoors_config_last_reload_success_timestamp_seconds": 17,
            "pkdoors_heals_total": 1,
            "pkdoors_firewall_calls_total{call=open}{firewall=nftables}{result=failed}": 2,
            "pkdoors_open_now{door=ssh}": 1,
            "pkdoors_open_now{door=web}": 0,
            "pkdoors_sources_tracked{door=ssh}": 3,
            "pkdoors_sources_tracked{door=web}": 0,
        }.items():
            self.assertEqual(value, metrics[name], name)

    def test_histogram(self) -> None:
        """Each bucket counts the times up to its bound; the last counts all."""
        random_, counters = random.Random(20261123), Counters()
        times = [random_.choice((*BUCKETS, random_.expovariate(1), 20.0)) for _ in range(500)]
        for took in times:
            counters.hear(Event(OPENED, 0.0, took=took))
        metrics = parsed(counters)
        for bound in BUCKETS:
            within = sum(took <= bound for took in times)
            self.assertEqual(within, metrics[f"pkdoors_time_to_open_seconds_bucket{{le={bound}}}"])
        self.assertEqual(500, metrics["pkdoors_time_to_open_seconds_bucket{le=+Inf}"])
        self.assertEqual(500, metrics["pkdoors_time_to_open_seconds_count"])
        self.assertAlmostEqual(sum(times), metrics["pkdoors_time_to_open_seconds_sum"])

    def test_families(self) -> None:
        """Each name is there once, with its type and its help text."""
        text = formatMetrics(Snapshot(0.0, 0.0, (), {}, {}), Counters()).decode()
        families = list(text_string_to_metric_families(text))
        names = [family.name for family in families]
        self.assertEqual(sorted(set(names)), sorted(names))
        for family in families:
            self.assertNotIn("unknown", (family.type, family.documentation or "unknown"))


class CountedFirewallTests(SynchronousTestCase):
    """
    Tests of L{CountedFirewall}.
    """

    def setUp(self) -> None:
        """Make a counted firewall around a fake one."""
        self.inner = FakeFirewall(Clock(), "nftables")
        self.counters = Counters()
        self.firewall = CountedFirewall(self.inner, self.counters)
        self.doors = (makeDoor(),)

    def test_interface(self) -> None:
        """It provides L{IFirewall}."""
        verifyObject(IFirewall, self.firewall)

    def test_passesOn(self) -> None:
        """The inner firewall does all the work, and its answers are passed on."""
        self.inner.before = [makeOpening()]
        self.firewall.prepare(self.doors)
        self.assertEqual(self.inner.before, self.firewall.start(self.doors, lambda why: None))
        self.firewall.setDoors(self.doors)
        for result in (
            self.firewall.restore([]),
            self.firewall.open(makeOpening()),
            self.firewall.close(makeOpening()),
            self.firewall.stop(),
        ):
            self.assertIsNone(self.successResultOf(result))
        self.assertEqual(
            "prepare, start, keep default, restore, open 203.0.113.9 until 30, close 203.0.113.9, "
            "stop",
            ", ".join(self.inner.calls),
        )
        self.assertEqual("nftables", self.firewall.name)

    def test_counts(self) -> None:
        """Calls are counted by result when they are answered; a failure is passed on unchanged."""
        self.inner.failures = [NO]
        self.assertIs(NO, self.failureResultOf(self.firewall.open(makeOpening())).value)
        self.successResultOf(self.firewall.open(makeOpening()))
        self.inner.holding = True
        self.firewall.close(makeOpening())
        self.assertEqual(
            {("nftables", "open", "failed"): 1, ("nftables", "open", "ok"): 1},
            +self.counters.firewall,
        )
        self.inner.answer()
        self.assertEqual(1, self.counters.firewall[("nftables", "close", "ok")])
        self.assertEqual({"ok": 2, "failed": 1}, recordCounters(self.counters).firewallCalls)

    def test_calledOff(self) -> None:
        """Calls that were cancelled, or came too late, are not counted."""
        self.inner.failures = [DeadlinePassed("over")]
        self.failureResultOf(self.firewall.open(makeOpening()), DeadlinePassed)
        self.inner.holding = True
        opening = self.firewall.open(makeOpening())
        opening.cancel()
        self.failureResultOf(opening, CancelledError)
        self.assertEqual({}, +self.counters.firewall)
