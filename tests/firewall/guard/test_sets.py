"""Tests of L{pkdoors.firewall.guard.sets}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.openingsets import Scope
from pkdoors.firewall.guard.sets import (
    INTERVALS,
    MAPS,
    MAX_SPARED,
    listOpeningSets,
    setsFor,
    spell,
)
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor

TIMES = "180000ms_43200000ms"


class SetsTests(SynchronousTestCase):
    """
    Tests of L{setsFor}.
    """

    def own(self, **fields: Any) -> set[str]:
        """Return the names of the sets that a door needs, without those of IPv6."""
        names = setsFor([makeDoor(**fields)]).keys() - setsFor([]).keys()
        return {name for name in names if "6" not in name}

    def test_kinds(self) -> None:
        """A door has the sets that its rules need."""
        rate = "KnockRate4_10000_10000"
        self.assertEqual({"tcp_open4", rate}, self.own())
        self.assertEqual({"tcp_open4"}, self.own(knockRate=0))
        udp = {"ports": "53/udp", "knockRate": 0}
        flows = {f"udp{kind}4_{TIMES}" for kind in ("idle", "most", "new")}
        self.assertEqual({f"udp_open4_{TIMES}", *flows}, self.own(**udp))
        self.assertEqual({"udp_open4"}, self.own(**udp, udpMax=0.0))
        self.assertEqual({"udp_open4"}, self.own(**udp, cutSessions=True))
        once = self.own(once=True, knockRate=0)
        own = {"default_once4", "default_used4", "synacks4", "onceclients4", "tcp_gate4"}
        self.assertEqual(own | {"onceblock3_4", "onceblock37_4"}, once)
        trusted = self.own(trusted=parseTrustedList("wg0,10.0.0.0/8"), knockRate=0)
        self.assertEqual({"tcp_open4", "tcp_trustedif", "tcp_trusted4_8"}, trusted)

    def test_thousand(self) -> None:
        """A thousand doors need as many sets as one."""
        for kind in ("tcp", "udp"):
            doors = [makeDoor(ports=f"{n}/{kind}", name=f"d{n}") for n in range(1, 1001)]
            self.assertEqual(setsFor(doors[:1]), setsFor(doors))

    def test_networks(self) -> None:
        """Openings for networks of some length need sets for it."""
        found = setsFor([makeDoor()], [Scope(4, 24)])
        self.assertEqual({"tcp_open4_24"}, found.keys() - setsFor([makeDoor()]).keys())

    def test_bounds(self) -> None:
        """All sets that packets fill are bounded, in number and in time."""
        for name, definition in setsFor([makeDoor(ports="22,53/udp")]).items():
            if "dynamic" in definition.definition:
                self.assertRegex(definition.definition, r"timeout \d+m?s; size \d+;", name)
                self.assertTrue(definition.timeout)

    def test_openings(self) -> None:
        """Only the doorkeeper bounds openings: it knows how many there may be in all."""
        found = setsFor([makeDoor(), makeDoor((1, 2, 3, 4, 5), "80", name="one", once=True)])
        names = listOpeningSets(
            [makeDoor(), makeDoor((1, 2, 3, 4, 5), "80", name="one", once=True)]
        )
        self.assertEqual(
            {
                *("tcp_open4", "one_once4", "openings4", "onceclients4", "tcp_gate4"),
                *("onceblock7_4", "onceblock76_4"),
            },
            {n for n in names if not n.endswith("6")},
        )
        self.assertEqual(["openings4", "openings6"], names[-2:])
        for name in names:
            self.assertNotIn("size", found[name].definition)

    def test_sizes(self) -> None:
        """Flows that this host begins have room beside the spared ones."""
        self.assertIn(f" size {MAX_SPARED};", setsFor([])["spared4"].definition)

    def test_times(self) -> None:
        """UDP's timeouts are those of the door."""
        found = setsFor([makeDoor(ports="53/udp", udpIdle=2.5, udpMax=60.0)])
        for kind, text, timeout in (("idle", "2500ms", 2.5), ("most", "60s", 60.0)):
            definition = found[f"udp{kind}6_2500ms_60000ms"]
            self.assertIn(f"timeout {text};", definition.definition)
            self.assertEqual(timeout, definition.timeout)

    def test_noBitmaps(self) -> None:
        """A set of ports is no bitmap, which the kernel searches for each new element."""
        for name, definition in setsFor([makeDoor()]).items():
            if definition.definition.startswith("type inet_service;"):
                self.assertRegex(definition.definition, "flags (timeout|interval)", name)

    def test_intervals(self) -> None:
        """Only ranges of ports are in sets of intervals."""
        found = {**{name: each.definition for name, each in setsFor([]).items()}, **MAPS}
        intervals = {name for name, text in found.items() if "interval;" in text}
        self.assertEqual(set(INTERVALS), intervals)

    def test_spell(self) -> None:
        """Times are spelled in seconds or milliseconds."""
        self.assertEqual(["3s", "2500ms"], list(map(spell, (3.0, 2.5))))
