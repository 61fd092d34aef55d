"""Tests of L{pkdoors.firewall.guard.guard}."""

from ipaddress import ip_address
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._rules import BASE_CHAINS, rulesFor
from pkdoors.firewall.guard.guard import TABLE, DirectWay, Guard, Present
from pkdoors.firewall.guard.sets import FORMAT, MAPS, aboutDoor, setsFor
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from tests.fakes.doors import makeDoor
from tests.fakes.tables import FakeTable, FakeTables
from tests.firewall.guard.test_rules import NEXT, doorLists
from tests.lab.properties import PROPERTY

WHERE = f"inet {TABLE}"
PORTS = ("tcp_ports", "tcp_doors", "udp_ports", "udp_doors")


def presentIn(table: FakeTable, *stale: str) -> Present:
    """Return what the kernel has of a table."""
    protocols = [protocol for protocol in ("tcp", "udp") if f"{protocol}_ports" in table.sets]
    ports = {protocol: table.sets[f"{protocol}_ports"].elements for protocol in protocols}
    doors = {protocol: table.sets[f"{protocol}_doors"].elements for protocol in protocols}
    return Present(
        frozenset(table.chains),
        frozenset(table.sets),
        frozenset(table.counters),
        frozenset(stale),
        {protocol: [*map(spanOf, elements)] for protocol, elements in ports.items()},
        {
            protocol: {spanOf(key): element.data.split()[1] for key, element in elements.items()}
            for protocol, elements in doors.items()
        },
    )


def spanOf(key: bytes) -> tuple[int, int]:
    """Return the first and the last port of a range in the fake kernel."""
    return int.from_bytes(key[:2]), int.from_bytes(key[2:])


class CommandsTests(SynchronousTestCase):
    """
    Tests of L{Guard.commands}.
    """

    def setUp(self) -> None:
        """Make a table."""
        self.tables = FakeTables(Clock())
        self.tables.run(f"add table {WHERE}")
        self.table = self.tables.tables[TABLE]

    def place(self, *doors: Door, stale: tuple[str, ...] = ()) -> bool:
        """Put the guard of some doors in place; return whether another must guard meanwhile."""
        present = presentIn(self.table, *stale)
        reshapes = Guard(doors).reshapes(present)
        self.tables.run(Guard(doors).commands(present))
        self.table = self.tables.tables[TABLE]
        return reshapes

    def kept(self, name: str) -> dict[tuple[int, int], str]:
        """Return the elements of a set or map of ports, as ranges with their verdicts."""
        elements = self.table.sets[name].elements if name in self.table.sets else {}
        return {spanOf(key): element.data for key, element in elements.items()}

    def elements(self, guard: Guard, name: str) -> list[str]:
        """Return the commands that add elements to a set or map."""
        begin = f"add element {WHERE} {name} {{ "
        lines = guard.commands().splitlines()
        return [line.removeprefix(begin)[:-2] for line in lines if line.startswith(begin)]

    def test_order(self) -> None:
        """
        Chains, maps and sets of ports are made before the rules are flushed; then ports change;
        then what is gone is deleted, then the rest is made: sets before the rules that use them,
        elements last.
        """
        present = Present(
            frozenset(("old_tcp",)),
            frozenset(("old_open4",)),
            frozenset(("old_dropped",)),
        )
        lines = Guard((makeDoor(ports="22,53/udp"),)).commands(present).splitlines()
        kinds = [" ".join(line.split()[:2]) for line in lines]
        order = [kind for kind, _ in groupby(kind for kind in kinds if kind != "flush set")]
        self.assertEqual(
            [
                "add chain",
                "add map",
                "add set",
                "flush table",
                "flush map",
                "add element",
                "delete chain",
                "delete set",
                "delete counter",
                "add set",
                "add counter",
                "add rule",
                "add element",
            ],
            order,
        )

    def test_nothingIsTakenAway(self) -> None:
        """No table and no base chain is ever made or deleted."""
        doors = (makeDoor(ports="22,53/udp"), makeDoor(NEXT, "80", name="web"))
        present = Present(frozenset((*BASE_CHAINS, "x")), frozenset(("x", *MAPS)), frozenset("x"))
        for line in Guard(doors).commands(present).splitlines():
            verb, what, _, _, *rest = line.split()
            self.assertTrue((verb, what) == ("flush", "table") or what != "table", line)
            if (verb, what) == ("delete", "chain"):
                self.assertNotIn(rest[0], BASE_CHAINS)
            if verb == "delete":
                self.assertNotIn(rest[0], MAPS)

    def test_anyAfterAny(self) -> None:
        """
        From any doors to any others it is one transaction that the kernel accepts, and it leaves
        only what belongs to the new ones.
        """

        @PROPERTY
        @given(st.lists(doorLists(), min_size=2, max_size=3))
        def check(configurations: list[list[Door]]) -> None:
            self.setUp()
            for doors in configurations:
                before = {name: self.kept(name) for name in PORTS}
                reshapes = self.place(*doors)
                self.checkPorts(before, reshapes)
                sets, rules = setsFor(doors), list(rulesFor(doors))
                self.assertEqual({*sets, *MAPS}, set(self.table.sets))
                chains = {rule.partition(" ")[0] for rule in rules}
                self.assertEqual({*chains, *BASE_CHAINS}, set(self.table.chains))
                self.assertEqual(rules, [f"{chain} {text}" for _, chain, text in self.table.rules])
                self.assertTrue(self.table.guards())

        check()

    def checkPorts(self, before: dict[str, dict[tuple[int, int], str]], reshapes: bool) -> None:
        """
        A port that stays protected keeps its element, in the set or in the map: a packet may find
        neither element while both are replaced. If it loses its element, L{Guard.reshapes} says so
        before.
        """
        after = {name: self.kept(name) for name in PORTS}
        lost = False
        for protocol in ("tcp", "udp"):
            sets = f"{protocol}_ports", f"{protocol}_doors"
            for port in (1, 22, 23, 25, 30, 53, 54, 60, 80):
                found = [
                    {span: data for span, data in of[name].items() if span[0] <= port <= span[1]}
                    for of in (before, after)
                    for name in sets
                ]
                if found[0] and found[2]:
                    lost |= found[0] != found[2] and found[1] != found[3]
        self.assertTrue(reshapes or not lost)

    def test_reshapes(self) -> None:
        """Another guard is needed meanwhile if a port that stays moves to another range."""
        for old, new, expected in (
            ("22", "22", False),
            ("22", "22,80", False),
            ("22,80", "22", False),
            ("22", "80", False),
            ("22", "22-23", True),
            ("22-30", "25", True),
            ("22-23", "23-24", True),
            ("53/udp", "53", False),
            ("1-5/udp", "5/udp", True),
        ):
            self.setUp()
            self.assertFalse(self.place(makeDoor(ports=old)))
            self.assertIs(expected, self.place(makeDoor(ports=new)), (old, new))

    def test_twice(self) -> None:
        """Putting the same guard in place again changes no set."""
        self.place(makeDoor())
        key = ip_address("203.0.113.9").packed
        self.tables.put("default_open4", key, 30.0)
        self.place(makeDoor())
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("default_open4"))

    def test_otherChain(self) -> None:
        """Ports that change their door lead to the chain of the new one."""
        for name in ("ssh", "web", "ssh"):
            self.assertFalse(self.place(makeDoor(ports="22,53-54/udp", name=name)))
            self.assertEqual([f"jump {name}_tcp"], [*self.kept("tcp_doors").values()])
            self.assertEqual([f"jump {name}_udp"], [*self.kept("udp_doors").values()])

    def test_stale(self) -> None:
        """A set that must be made again is empty afterwards."""
        self.place(makeDoor())
        self.tables.put("default_open4", ip_address("203.0.113.9").packed, 30.0)
        self.place(makeDoor(), stale=("default_open4",))
        self.assertEqual({}, self.tables.sources("default_open4"))

    def test_about(self) -> None:
        """The table says which guard it is, of which boot, and of which doors."""
        doors = (makeDoor(), makeDoor(NEXT, "443", name="web"))
        notes = [FORMAT, "origin boot 7", *map(aboutDoor, doors)]
        expected = ", ".join(f'{n} comment "{note}"' for n, note in enumerate(notes))
        self.assertEqual([expected], self.elements(Guard(doors, "boot 7"), "about"))

    def test_verdicts(self) -> None:
        """Each port leads to the chain of its doors."""
        guard = Guard((makeDoor(ports="22-80"), makeDoor(NEXT, "80-90,53/udp", name="web")))
        expected = ["22-79 : jump default_tcp, 80 : jump Doors1_tcp, 81-90 : jump web_tcp"]
        self.assertEqual(expected, self.elements(guard, "tcp_doors"))
        self.assertEqual(["53 : jump web_udp"], self.elements(guard, "udp_doors"))
        self.assertEqual(["22-90"], self.elements(guard, "tcp_ports"))
        self.assertEqual(["53"], self.elements(guard, "udp_ports"))

    def test_direct(self) -> None:
        """
        A container's port leads to the chain of the port that is forwarded to it, if there is one.
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
        guard = Guard((makeDoor(ports="20-30,53/udp"),), direct=ways)
        expected = ["10.0.0.7 . 6 . 8022 : jump default_tcp"]
        self.assertEqual(expected, self.elements(guard, "direct4"))
        expected = ["2001:db8::7 . 17 . 5353 : jump default_udp"]
        self.assertEqual(expected, self.elements(guard, "direct6"))

    def test_grace(self) -> None:
        """Without a grace, a running one is left alone; with a grace, only that one applies."""
        doors = (makeDoor(ports="53/udp"),)
        self.assertNotIn(f"flush set {WHERE} grace", Guard(doors).commands())
        grace = {PortRange("udp", 53, 60): 2.5, PortRange("udp", 1, 1): 30.0}
        for versions in ((), (4,), (6,), (4, 6)):
            guard = Guard(doors, grace=grace, graceVersions=versions)
            for version in (4, 6):
                expected = ["53-60 timeout 2500ms, 1 timeout 30s"] * (version in versions)
                self.assertEqual(expected, self.elements(guard, f"grace{version}"))
                flush = f"flush set {WHERE} grace{version}\n"
                self.assertIs(version in versions, flush in guard.commands())

    def test_knocks(self) -> None:
        """
        The guard shows the knock ports, as sockets do, but neither their order nor the first ones.
        """
        ports = (17001, 17203, 17005, 17404, 17002)
        guard, other = (Guard((makeDoor(order),)) for order in (ports, tuple(reversed(ports))))
        self.assertEqual(guard.commands(), other.commands())
        expected = ["17001, 17002, 17005, 17203, 17404"]
        self.assertEqual(expected, self.elements(guard, "knocks"))
        (limits,) = self.elements(guard, "KnockLimits")
        self.assertTrue(limits.startswith("17001 : jump knock_limit_10000_10000, 17002 : "), limits)
        rateless = Guard((makeDoor(knockRate=0),))
        self.assertEqual(expected, self.elements(rateless, "knocks"))
        self.assertEqual([], self.elements(rateless, "KnockLimits"))

    def test_otherName(self) -> None:
        """The guard can be put into a table of another name, and names no other table."""
        text = Guard((makeDoor(),)).commands(table="other")
        self.assertTrue(text.endswith("\n"))
        for line in text.splitlines():
            self.assertIn("inet other", line)
        self.assertNotIn("pkdoors ", text.replace('"pkdoors guard', ""))
