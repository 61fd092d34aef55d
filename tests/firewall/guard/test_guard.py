"""Tests of L{pkdoors.firewall.guard.guard} and L{pkdoors.firewall.guard.layout}."""

from ipaddress import ip_address
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._rules import BASE_CHAINS, rulesFor
from pkdoors.firewall.guard.guard import TABLE, DirectWay, Guard
from pkdoors.firewall.guard.layout import ABSENT, CLOSING, Layout, Present
from pkdoors.firewall.guard.portgroups import portGroups
from pkdoors.firewall.guard.sets import DOOR_MAPS, FORMAT, MAPS, setsFor
from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from tests.fakes.doors import makeDoor
from tests.fakes.tables import Entry, FakeTable, FakeTables
from tests.firewall.guard.test_rules import NEXT, doorLists
from tests.lab.properties import PROPERTY

WHERE = f"inet {TABLE}"
PORTS = (1, 22, 23, 25, 30, 53, 54, 60, 80)


def presentIn(table: FakeTable, layout: Layout, *stale: str) -> Present:
    """Return what the kernel has of a table, as far as a layout needs it."""
    return Present(
        {*table.chains},
        {*table.sets},
        {*table.counters},
        stale,
        {
            name: {
                key: Element(key, chain=entry.data.removeprefix("jump "))
                for key, entry in table.sets[name].elements.items()
            }
            for name in layout.elements.keys() & table.sets
        },
    )


def chainOf(port: int, protocol: str, *doors: Door) -> str:
    """Return the name of the chain that judges packets to a port."""
    (found,) = (
        group.name
        for group, spans in portGroups(doors, protocol).items()
        for first, last in spans
        if first <= port <= last
    )
    return found


def protectedBy(doors: list[Door]) -> set[tuple[str, int]]:
    """Return which of the ports some doors protect."""
    return {
        (ports.protocol, port)
        for door in doors
        for ports in door.ports
        for port in PORTS
        if ports.first <= port <= ports.last
    }


class LayoutTests(SynchronousTestCase):
    """
    Tests of L{Layout}, the steps from one guard to another.
    """

    def setUp(self) -> None:
        """Make a table."""
        self.tables = FakeTables(Clock())
        self.tables.run(f"add table {WHERE}")
        self.table = self.tables.tables[TABLE]

    def run_(self, commands: str) -> None:
        """Run commands, if there are any."""
        if commands:
            self.tables.run(commands)
            self.table = self.tables.tables[TABLE]

    def place(self, *doors: Door, stale: tuple[str, ...] = ()) -> bool:
        """Put the guard of some doors in place; return whether another must guard meanwhile."""
        layout = Guard(doors).layout
        present = presentIn(self.table, layout, *stale)
        self.run_(layout.commands(TABLE, present))
        for change in layout.changes(present):
            there = self.table.sets[change.name].elements
            for element in change.gone:
                del there[element.key]
            for element in change.new:
                self.assertNotIn(element.key, there)
                there[element.key] = Entry(data=f"jump {element.chain}" if element.chain else "")
        self.run_(layout.removal(TABLE, present))
        return layout.reshapes(present)

    def closed(self) -> set[tuple[str, int]]:
        """Return the ports that the sets close."""
        found = set()
        for name in CLOSING:
            keys = self.table.sets[name].elements if name in self.table.sets else {}
            for key in keys:
                first, last = int.from_bytes(key[:2]), int.from_bytes(key[-2:])
                found |= {(name[:3], port) for port in PORTS if first <= port <= last}
        return found

    def test_order(self) -> None:
        """
        What rules need is made first; then they are replaced. No element comes with them but the
        notes.
        """
        layout = Guard((makeDoor(ports="22-30,53/udp"),)).layout
        present = Present({"old_tcp"}, {"old_open4"}, {"old_dropped"})
        lines = layout.commands(TABLE, present).splitlines()
        kinds = [kind for kind, _ in groupby(" ".join(line.split()[:2]) for line in lines)]
        self.assertEqual(
            [
                "add chain",
                "add map",
                "add set",
                "add counter",
                "flush chain",
                "add rule",
                "flush set",
                "add element",
            ],
            kinds,
        )
        removal = layout.removal(TABLE, present).splitlines()
        self.assertEqual(
            ["flush chain", "delete chain", "delete set", "delete counter"],
            [" ".join(line.split()[:2]) for line in removal],
        )

    def test_closedFirst(self) -> None:
        """Ports are closed before anything leads to them, and opened after all else."""
        before = Guard((makeDoor(ports="22,80-90"),)).layout.present()
        after = Guard((makeDoor(ports="23,53/udp,100-110"),)).layout
        changes = [change for change in after.changes(before) if change.gone or change.new]
        names = [change.name for change in changes]
        self.assertEqual(["tcp_ports", "udp_ports", "tcp_ranges"], names[:3])
        self.assertEqual(["tcp_ports", "tcp_ranges"], names[-2:])
        self.assertFalse(any(change.gone for change in changes[:3]))
        self.assertFalse(any(change.new for change in changes[-2:]))

    def test_nothingIsTakenAway(self) -> None:
        """No table and no base chain is ever made, flushed or deleted."""
        layout = Guard((makeDoor(ports="22,53/udp"), makeDoor(NEXT, "80", name="web"))).layout
        present = Present({*BASE_CHAINS, "x"}, {"x", *MAPS}, {"x"})
        for line in (layout.commands(TABLE, present) + layout.removal(TABLE, present)).splitlines():
            verb, what, _, _, *rest = line.split()
            self.assertNotEqual("table", what, line)
            if verb == "delete":
                self.assertNotIn(rest[0], {*BASE_CHAINS, *MAPS})
            if (verb, what) == ("flush", "set"):
                self.assertEqual("about", rest[0])

    def test_anyAfterAny(self) -> None:
        """
        From any doors to any others, the kernel accepts each step, and they leave only what belongs
        to the new ones.
        """

        @PROPERTY
        @given(st.lists(doorLists(), min_size=2, max_size=3))
        def check(configurations: list[list[Door]]) -> None:
            self.setUp()
            for doors in configurations:
                self.place(*doors)
                sets, rules = setsFor(doors), list(rulesFor(doors))
                self.assertEqual({*sets, *MAPS}, set(self.table.sets))
                chains = {rule.partition(" ")[0] for rule in rules}
                self.assertEqual({*chains, *BASE_CHAINS}, set(self.table.chains))
                self.assertEqual(rules, [f"{chain} {text}" for _, chain, text in self.table.rules])
                self.assertTrue(self.table.guards())
                self.assertEqual(protectedBy(doors), self.closed())

        check()

    def test_neverOpen(self) -> None:
        """
        After each step from any doors to any others, the sets close all ports that stay protected,
        unless another guard must be in place meanwhile.
        """

        @PROPERTY
        @given(doorLists(), doorLists())
        def check(old: list[Door], new: list[Door]) -> None:
            self.setUp()
            self.place(*old)
            stay = self.closed() & protectedBy(new)
            layout = Guard(tuple(new)).layout
            present = presentIn(self.table, layout)
            if layout.reshapes(present):
                return
            self.run_(layout.commands(TABLE, present))
            for change in layout.changes(present):
                there = self.table.sets[change.name].elements
                for element in change.gone:
                    del there[element.key]
                self.assertLessEqual(stay, self.closed())
                there |= {element.key: Entry() for element in change.new}

        check()

    def test_reshapes(self) -> None:
        """Another guard is needed meanwhile if a range overlaps one that it replaces."""
        for old, new, expected in (
            ("22", "22", False),
            ("22", "22,80", False),
            ("22,80", "22", False),
            ("22", "80", False),
            ("22", "22-23", False),
            ("22-30", "25", False),
            ("22-23", "23-24", True),
            ("22-30", "22-31", True),
            ("22-30", "22-30,40-50", False),
            ("53/udp", "53", False),
            ("1-5/udp", "2-3/udp", True),
        ):
            self.setUp()
            self.assertFalse(self.place(makeDoor(ports=old)))
            self.assertIs(expected, self.place(makeDoor(ports=new)), (old, new))

    def test_twice(self) -> None:
        """Putting the same guard in place again changes no element."""
        self.place(makeDoor())
        key = ip_address("203.0.113.9").packed + bytes(4)
        self.tables.put("tcp_open4", key, 30.0)
        layout = Guard((makeDoor(),)).layout
        changes = layout.changes(presentIn(self.table, layout))
        self.assertFalse([change for change in changes if change.gone or change.new])
        self.place(makeDoor())
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("tcp_open4"))

    def test_onlyDifferences(self) -> None:
        """With a thousand doors, one more needs no rule, and one element in each set."""
        doors = [makeDoor(ports=str(n), name=f"d{n}") for n in range(1, 1001)]
        one = makeDoor(ports="2000", name="one")
        before, after = Guard(tuple(doors)).layout, Guard((*doors, one)).layout
        self.assertTrue(after.hasRulesOf(before))
        changes = [each for each in after.changes(before.present()) if each.gone or each.new]
        self.assertEqual(
            {"tcp_ports": 1, "tcp_doors": 1, "tcp_doors_dnat": 1},
            {change.name: len(change.gone) + len(change.new) for change in changes},
        )
        self.assertEqual("", after.removal(TABLE, before.present()))

    def test_otherRules(self) -> None:
        """Other rules, and sets that are not there yet, are noticed."""
        one = Guard((makeDoor(),)).layout
        self.assertTrue(one.hasRulesOf(Guard((makeDoor(NEXT, "80", name="web"),)).layout))
        kinds: list[dict[str, Any]] = [{"cutSessions": True}, {"once": True}, {"ports": "22/udp"}]
        for fields in kinds:
            self.assertFalse(Guard((makeDoor(**fields),)).layout.hasRulesOf(one), fields)

    def test_otherChain(self) -> None:
        """Ports of another kind of door lead to the chain of that kind."""
        for cuts in (False, True, False):
            door = makeDoor(ports="22,53-54/udp", cutSessions=cuts)
            self.place(door)
            (entry,) = self.table.sets["tcp_doors"].elements.values()
            self.assertEqual(f"jump {chainOf(22, 'tcp', door)}", entry.data)

    def test_stale(self) -> None:
        """A set whose elements are not valid is empty afterwards."""
        self.place(makeDoor())
        self.tables.put("tcp_open4", ip_address("203.0.113.9").packed + bytes(4), 30.0)
        self.place(makeDoor(), stale=("tcp_open4",))
        self.assertEqual({}, self.tables.sources("tcp_open4"))

    def test_otherName(self) -> None:
        """The guard can be put into a table of another name, and names no other table."""
        layout = Guard((makeDoor(),)).layout
        text = layout.commands("other") + layout.removal("other", Present({"x"}, {"x"}, {"x"}))
        self.assertTrue(text.endswith("\n"))
        for line in text.splitlines():
            self.assertIn("inet other", line)
        self.assertNotIn("pkdoors ", text.replace('"pkdoors guard', ""))


class GuardTests(SynchronousTestCase):
    """
    Tests of what L{Guard} has in its layout.
    """

    def elements(self, guard: Guard, name: str) -> dict[str, str]:
        """Return the ports in a set or map, with their chains."""
        found = {}
        for key, element in guard.layout.elements[name].items():
            first, last = int.from_bytes(key[:2]), int.from_bytes(key[-2:])
            found[f"{first}-{last}" if len(key) > 2 else f"{first}"] = element.chain
        return found

    def commands(self, guard: Guard, name: str) -> list[str]:
        """Return the commands that add elements to a set."""
        begin = f"add element {WHERE} {name} {{ "
        lines = guard.layout.commands(TABLE, ABSENT).splitlines()
        return [line.removeprefix(begin)[:-2] for line in lines if line.startswith(begin)]

    def test_about(self) -> None:
        """The table says which guard it is, and of which boot."""
        notes = [FORMAT, "origin boot 7"]
        expected = ", ".join(f'{n} comment "{note}"' for n, note in enumerate(notes))
        self.assertEqual([expected], self.commands(Guard((makeDoor(),), "boot 7"), "about"))

    def test_otherOrigin(self) -> None:
        """For another origin nothing but the note differs, and nothing is worked out again."""
        guard = Guard((makeDoor(ports="22,53/udp"),), "boot 7")
        other = guard.withOrigin("boot 8")
        fresh = Guard(guard.doors, "boot 8")
        self.assertEqual((fresh, fresh.layout), (other, other.layout))
        self.assertIs(guard.layout.elements, other.layout.elements)

    def test_verdicts(self) -> None:
        """Each port leads to the chain that looks up what its doors need."""
        doors = makeDoor(ports="22-23,80"), makeDoor(NEXT, "80-95,53/udp", name="web")
        guard = Guard(doors)
        single, both, wide = (chainOf(port, "tcp", *doors) for port in (22, 80, 90))
        expected = {"22": single, "23": single, "80": both}
        self.assertEqual(expected, self.elements(guard, "tcp_doors"))
        self.assertEqual({"81-95": wide}, self.elements(guard, "tcp_spans"))
        self.assertEqual({"81-95": f"{wide}_dnat"}, self.elements(guard, "tcp_spans_dnat"))
        self.assertEqual(3, len({single, both, wide}))
        self.assertEqual({"53": chainOf(53, "udp", *doors)}, self.elements(guard, "udp_doors"))
        self.assertEqual({"80": ""}, self.elements(guard, "tcp_ports"))
        self.assertEqual({"22-23": "", "80-95": ""}, self.elements(guard, "tcp_ranges"))
        self.assertEqual({"53": ""}, self.elements(guard, "udp_ports"))
        self.assertLessEqual({*DOOR_MAPS, *CLOSING}, guard.layout.elements.keys())

    def test_direct(self) -> None:
        """
        A container's port leads to a chain of the port that is forwarded to it, if there is one.
        """
        ways = tuple(
            DirectWay(ip_address(address), protocol, port, wanted)
            for address, protocol, port, wanted in (
                ("10.0.0.7", "tcp", 8022, 22),
                ("2001:db8::7", "udp", 5353, 53),
                ("10.0.0.8", "tcp", 80, 80),
                ("10.0.0.9", "udp", 22, 22),
            )
        )
        door = makeDoor(ports="20-30,53/udp")
        guard = Guard((door,), direct=ways)
        tcp = f"{chainOf(22, 'tcp', door)}_way20"
        udp = f"{chainOf(53, 'udp', door)}_way53"
        found = {name: [each.chain for each in ways] for name, ways in guard.ways().items()}
        expected = {"direct4": [tcp], "direct6": [udp], "inside4": [""], "inside6": []}
        self.assertEqual(expected, found)
        self.assertEqual({tcp, udp}, guard.wayChains())
        self.assertLessEqual({tcp, udp}, guard.layout.chains.keys())

    def test_grace(self) -> None:
        """Without a grace, a running one is left alone; with a grace, only that one applies."""
        doors = (makeDoor(ports="53/udp"),)
        self.assertNotIn(f"flush set {WHERE} grace", Guard(doors).layout.commands(TABLE))
        grace = {PortRange("udp", 53, 60): 2.5, PortRange("udp", 1, 1): 30.0}
        for versions in ((), (4,), (6,), (4, 6)):
            guard = Guard(doors, grace=grace, graceVersions=versions)
            for version in (4, 6):
                expected = ["53-60 timeout 2500ms, 1 timeout 30s"] * (version in versions)
                self.assertEqual(expected, self.commands(guard, f"grace{version}"))
                flush = f"flush set {WHERE} grace{version}\n"
                self.assertIs(version in versions, flush in guard.layout.commands(TABLE))

    def test_knocks(self) -> None:
        """
        The guard shows the knock ports, as sockets do, but neither their order nor the first ones.
        """
        ports = (17001, 17203, 17005, 17404, 17002)
        guard, other = (Guard((makeDoor(order),)) for order in (ports, tuple(reversed(ports))))
        self.assertEqual(guard.layout, other.layout)
        expected = ["17001", "17002", "17005", "17203", "17404"]
        self.assertEqual(expected, [*self.elements(guard, "knocks")])
        limits = self.elements(guard, "KnockLimits")
        self.assertEqual(dict.fromkeys(expected, "knock_limit_10000_10000"), limits)
        rateless = Guard((makeDoor(knockRate=0),))
        self.assertEqual(expected, [*self.elements(rateless, "knocks")])
        self.assertEqual({}, self.elements(rateless, "KnockLimits"))
