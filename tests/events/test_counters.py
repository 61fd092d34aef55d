"""
Tests of L{pkdoors.events.counters}, L{pkdoors.admin._metrics} and L{pkdoors.firewall.counted}.
"""

import random

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors import __version__
from pkdoors.admin._metrics import exposition
from pkdoors.doorkeeper.state import Standing, State
from pkdoors.errors import FirewallError, TooLate
from pkdoors.events.counters import BUCKETS, Tally
from pkdoors.events.event import CLOSED, EXTENDED, HEALED, OPENED, REFUSED, Event
from pkdoors.firewall.counted import CountedFirewall
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door
from tests.fakes import FakeFirewall, makeDoor, makeOpening

NO = FirewallError("no")


def parsed(tally: Tally, *standings: Standing, doors: tuple[Door, ...] = ()) -> dict[str, float]:
    """What Prometheus reads: C{name{label=value}} and the number."""
    state = State(10.0, 0.0, doors, standings, {"ssh": 3})
    text = exposition(state, tally).decode()
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class TallyTests(SynchronousTestCase):
    """
    Tests of L{Tally}.
    """

    def setUp(self) -> None:
        """Have one."""
        self.tally = Tally()

    def test_nothing(self) -> None:
        """At first nothing was counted, and what can be counted is there."""
        self.assertEqual(
            {
                "knocks": {"request": 0, "refused": 0, "other": 0},
                "dropped": {},
                "events": {},
                "firewall_calls": {"ok": 0, "failed": 0},
                "heals": 0,
            },
            self.tally.asJSON(),
        )

    def test_events(self) -> None:
        """Events are counted by kind, with those that were left out."""
        for event in (Event(OPENED, 0.0), Event(CLOSED, 0.0), Event(REFUSED, 0.0, leftOut=41)):
            self.tally.hear(event)
        self.tally.hear(Event(HEALED, 0.0))
        self.assertEqual(
            {"closed": 1, "healed": 1, "opened": 1, "refused": 42}, self.tally.asJSON()["events"]
        )
        self.assertEqual(1, self.tally.asJSON()["heals"])

    def test_times(self) -> None:
        """Only what was opened has taken time, and a bound counts for what is just as long."""
        self.tally.hear(Event(OPENED, 0.0, took=0.001))
        self.tally.hear(Event(EXTENDED, 0.0, took=0.0011))
        self.tally.hear(Event(OPENED, 0.0, took=11.0))
        self.tally.hear(Event(CLOSED, 0.0, took=5.0))
        at = BUCKETS.index(0.001)
        expected = [0] * (len(BUCKETS) + 1)
        expected[at] = expected[at + 1] = expected[-1] = 1
        self.assertEqual(expected, self.tally.times)
        self.assertAlmostEqual(11.0021, self.tally.timesSum)


class MetricsTests(SynchronousTestCase):
    """
    Tests of L{exposition}.
    """

    def test_nothing(self) -> None:
        """With nothing counted it can be read, too."""
        metrics = parsed(Tally())
        self.assertEqual(1.0, metrics[f"pkdoors_info{{version={__version__.public()}}}"])
        self.assertEqual(0.0, metrics["pkdoors_knocks_total{result=request}"])
        self.assertEqual(0.0, metrics["pkdoors_openings_total"])
        self.assertEqual(0.0, metrics["pkdoors_time_to_open_seconds_count"])

    def test_all(self) -> None:
        """Everything that is counted is there."""
        tally = Tally()
        tally.knocks["refused"] = 7
        tally.firewall[("nftables", "open", "failed")] = 2
        tally.hear(Event(OPENED, 0.0))
        tally.hear(Event(HEALED, 0.0))
        ssh, web = makeDoor(name="ssh"), makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
        standing = Standing(makeOpening(name="ssh"), 30.0, "")
        metrics = parsed(tally, standing, doors=(ssh, web))
        for name, value in {
            "pkdoors_knocks_total{result=refused}": 7,
            "pkdoors_events_total{event=opened}": 1,
            "pkdoors_openings_total": 1,
            "pkdoors_heals_total": 1,
            "pkdoors_firewall_calls_total{call=open}{firewall=nftables}{result=failed}": 2,
            "pkdoors_open_doors{door=ssh}": 1,
            "pkdoors_open_doors{door=web}": 0,
            "pkdoors_sources_tracked{door=ssh}": 3,
            "pkdoors_sources_tracked{door=web}": 0,
        }.items():
            self.assertEqual(value, metrics[name], name)

    def test_histogram(self) -> None:
        """Each bucket counts all that was no longer than its bound; the last counts all."""
        random_, tally = random.Random(20261123), Tally()
        times = [random_.choice((*BUCKETS, random_.expovariate(1), 20.0)) for _ in range(500)]
        for took in times:
            tally.hear(Event(OPENED, 0.0, took=took))
        metrics = parsed(tally)
        for bound in BUCKETS:
            within = sum(took <= bound for took in times)
            self.assertEqual(within, metrics[f"pkdoors_time_to_open_seconds_bucket{{le={bound}}}"])
        self.assertEqual(500, metrics["pkdoors_time_to_open_seconds_bucket{le=+Inf}"])
        self.assertEqual(500, metrics["pkdoors_time_to_open_seconds_count"])
        self.assertAlmostEqual(sum(times), metrics["pkdoors_time_to_open_seconds_sum"])

    def test_families(self) -> None:
        """Each name is there once, with its type and a help."""
        text = exposition(State(0.0, 0.0, (), (), {}), Tally()).decode()
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
        """Have one."""
        self.inner = FakeFirewall(Clock(), "nftables")
        self.tally = Tally()
        self.firewall = CountedFirewall(self.inner, self.tally)
        self.doors = (makeDoor(),)

    def test_interface(self) -> None:
        """It is an L{IFirewall}."""
        verifyObject(IFirewall, self.firewall)

    def test_passesOn(self) -> None:
        """Everything is done by the other one, and answered with what that answers."""
        self.inner.before = [makeOpening()]
        self.firewall.prepare(self.doors)
        self.assertEqual(self.inner.before, self.firewall.start(self.doors, lambda why: None))
        self.firewall.keep(self.doors)
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
        """Calls count when they are answered, by how; a failure stays what it is."""
        self.inner.failures = [NO]
        self.assertIs(NO, self.failureResultOf(self.firewall.open(makeOpening())).value)
        self.successResultOf(self.firewall.open(makeOpening()))
        self.inner.holding = True
        self.firewall.close(makeOpening())
        self.assertEqual(
            {("nftables", "open", "failed"): 1, ("nftables", "open", "ok"): 1},
            self.tally.firewall,
        )
        self.inner.answer()
        self.assertEqual(1, self.tally.firewall[("nftables", "close", "ok")])
        self.assertEqual({"ok": 2, "failed": 1}, self.tally.asJSON()["firewall_calls"])

    def test_calledOff(self) -> None:
        """What was called off, or came too late, was no call."""
        self.inner.failures = [TooLate("over")]
        self.failureResultOf(self.firewall.open(makeOpening()), TooLate)
        self.inner.holding = True
        opening = self.firewall.open(makeOpening())
        opening.cancel()
        self.failureResultOf(opening, CancelledError)
        self.assertEqual({}, self.tally.firewall)
