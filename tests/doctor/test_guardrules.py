"""Tests of how L{pkdoors.doctor._guard} judges the guard's rules."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._guard import isGuarded, isGuardedForwards, isInGrace
from pkdoors.doctor._tables import Tables, isLost
from pkdoors.doctor.packetfilter import _matching
from pkdoors.model.ports import PortRange, parsePortRange
from tests.doctor.rules import makeTables
from tests.fakes.rulesets import ACCEPT, DROP, condition, expression, makeListing

EQUALS = _matching._equals
SSH = PortRange("tcp", 22, 22)


def makeGuard(*ports: object, **table: Any) -> dict[str, list[Any]]:
    """Return a table that drops packets to some TCP ports, but lets friends in."""
    friend = [condition("ip saddr", "@open4"), ACCEPT]
    rules = [[condition("tcp dport", {"set": list(ports)}, "!="), ACCEPT], friend, [DROP]]
    return makeListing(*rules, **{"chain": "inet pkdoors guard", **table})


class IsInGraceTests(SynchronousTestCase):
    """
    Tests of L{isInGrace}.
    """

    def test_grace(self) -> None:
        """A port that only its grace opens is guarded once that is over, and no other port."""
        ports = PortRange("udp", 53, 53)
        spared = [condition("udp dport", "@grace4"), ACCEPT]
        rules = makeListing(spared, [DROP], chain="inet pkdoors input", hook="input")
        graces = {
            "nftables": [
                {"set": {"family": "inet", "table": "pkdoors", "name": "grace4", "elem": [53]}}
            ]
        }
        found = makeTables(rules, graces)
        self.assertFalse(isGuarded(found, ports))
        self.assertTrue(isInGrace(found, ports))
        self.assertFalse(
            isInGrace(makeTables(makeListing([ACCEPT], chain="inet pkdoors input")), ports)
        )


class IsGuardedTests(SynchronousTestCase):
    """
    Tests of L{isGuarded}.
    """

    def test_guarded(self) -> None:
        """A port that our table drops at either hook is guarded."""
        for hook in ("prerouting", "input"):
            self.assertTrue(isGuarded(makeTables(makeGuard(22, hook=hook)), SSH))

    def test_unguarded(self) -> None:
        """Other ports are not guarded, nor ports that other tables drop, or at other hooks."""
        for listing in (
            makeGuard(23),
            makeGuard(22, chain="inet other guard"),
            makeGuard(22, hook="forward"),
            makeGuard(22, chain="ip pkdoors guard"),
        ):
            self.assertFalse(isGuarded(makeTables(listing), SSH), listing)
        self.assertFalse(isGuarded(makeTables(), SSH))

    def test_oneFamily(self) -> None:
        """Without IPv6 a port is guarded if it is closed over IPv4."""
        listing = makeGuard(22, chain="ip pkdoors guard")
        self.assertTrue(isGuarded(makeTables(listing, versions=(4,)), SSH))

    def test_range(self) -> None:
        """The whole range must be guarded."""
        ports = parsePortRange("6000-6010")
        self.assertTrue(isGuarded(makeTables(makeGuard({"range": [6000, 6010]})), ports))
        self.assertFalse(isGuarded(makeTables(makeGuard(6000, 6010)), ports))
        self.assertFalse(isGuarded(makeTables(makeGuard({"range": [6000, 6009]})), ports))
        self.assertTrue(
            isGuarded(makeTables(makeGuard({"range": [1, 65535]})), parsePortRange("1-65535"))
        )


class NewGuardTests(SynchronousTestCase):
    """
    Tests with a guard of this version: maps lead from ports to the chains of doors, and ports that
    a map lacks are dropped.
    """

    def setUp(self) -> None:
        """Make the table, of which tests remove parts."""
        here = {"dport": condition("tcp dport", "@tcp_ports"), "vmap": vmap("tcp dport")}
        dnat = [condition("ct status", "dnat", "in"), condition("ct direction", "original")]
        wanted = condition("ct proto-dst", "@tcp_ports")
        self.behind = [[*dnat, vmap("ct proto-dst")], [*dnat, wanted, DROP]]
        self.rules = {
            "input": [
                [condition("meta iif", "lo"), ACCEPT],
                [{"vmap": {"key": expression("meta l4proto"), "data": {"set": [["tcp", IN]]}}}],
            ],
            "tcp_in": [[here["vmap"]], [here["dport"], DROP], *self.behind],
            "forward": list(self.behind),
            "ssh_tcp": [
                [condition("ip saddr", "@ssh_open4"), ACCEPT],
                [condition("ip saddr . tcp sport", "@sessions4"), ACCEPT],
                [DROP],
            ],
        }
        self.sets: dict[str, list[Any]] = {
            "tcp_ports": [22, {"range": [6000, 6010]}],
            "tcp_doors": [[22, TO_DOOR], [{"range": [6000, 6010]}, TO_DOOR]],
            "ssh_open4": [],
            "sessions4": [],
        }

    def tables(self) -> Tables:
        """Return the tables of the kernel."""
        others = {name: rules for name, rules in self.rules.items() if name != "forward"}
        forward = makeListing(*self.rules["forward"], chain="inet pkdoors forward", hook="forward")
        inward = makeListing(
            *others.pop("input"), chain="inet pkdoors input", chains=others, sets=self.sets
        )
        return makeTables(inward, forward)

    def closed(self, ports: str = "22") -> tuple[bool, bool]:
        """Return whether it keeps ports closed, and whether it does behind DNAT."""
        found, wanted = self.tables(), parsePortRange(ports)
        return isGuarded(found, wanted), isGuardedForwards(found, wanted)

    def test_closed(self) -> None:
        """Its own ports are closed in both cases, and no others."""
        for ports in ("22", "6000-6010"):
            self.assertEqual((True, True), self.closed(ports), ports)
        for ports in ("23", "6000-6011", "22/udp"):
            self.assertEqual((False, False), self.closed(ports), ports)

    def test_trusted(self) -> None:
        """Trusted networks and interfaces do not make it open, whatever their names."""
        network = {"&": [expression("ip saddr"), "255.255.255.0"]}
        self.rules["ssh_tcp"] = [
            [{"match": {"op": "==", "left": network, "right": "@ssh_trusted4_24"}}, ACCEPT],
            [condition("meta iifname", "@ssh_trustedif"), ACCEPT],
            *self.rules["ssh_tcp"],
        ]
        self.sets |= {"ssh_trusted4_24": ["10.9.1.0"], "ssh_trustedif": ["wg0", "eth0"]}
        self.assertEqual((True, True), self.closed())

    def test_emptied(self) -> None:
        """Sets and maps alone keep nothing closed: the rules must be there."""
        for chain, expected in (
            ("input", (False, False)),
            ("tcp_in", (False, False)),
            ("ssh_tcp", (True, True)),  # then it is closed to everybody
            ("forward", (True, False)),
        ):
            rules, self.rules[chain] = self.rules[chain], []
            self.assertEqual(expected, self.closed(), chain)
            self.rules[chain] = rules

    def test_mapLacksIt(self) -> None:
        """A port that only the map lacks is dropped; if the set lacks it, too, it is open."""
        self.sets["tcp_doors"] = []
        self.assertEqual((True, True), self.closed())
        self.sets["tcp_ports"] = []
        self.assertEqual((False, False), self.closed())

    def test_accepted(self) -> None:
        """A rule that somebody added in front opens the port, or may open it."""
        for rule in ([ACCEPT], [condition("meta mark", 1), ACCEPT]):
            rules = self.rules["input"]
            self.rules["input"] = [rule, *rules]
            self.assertEqual((False, False), self.closed(), rule)
            self.rules["input"] = rules

    def test_many(self) -> None:
        """The time for a port does not depend on the number of other ports."""
        counts = []
        for count in (50, 500):
            ports = range(1000, 1000 + 2 * count, 2)
            self.sets["tcp_ports"] = list(ports)
            self.sets["tcp_doors"] = [[port, TO_DOOR] for port in ports]
            looked: list[object] = []

            def equals(*arguments: Any, looked: list[object] = looked) -> bool | None:
                looked.append(arguments)
                return EQUALS(*arguments)

            self.patch(_matching, "_equals", equals)
            self.assertEqual((True, True), self.closed("1010"))
            counts.append(len(looked))
        self.assertEqual(counts[0], counts[1])

    def test_handover(self) -> None:
        """While one table replaces the other, both count; neither is a foreign table."""
        old, new = makeGuard(22), makeGuard(22, chain="inet pkdoors_handover guard")
        for listing in (old, new):
            self.assertTrue(isGuarded(makeTables(listing), SSH))
            self.assertFalse(isLost(makeTables(listing), SSH))


TO_DOOR = {"jump": {"target": "ssh_tcp"}}
IN = {"goto": {"target": "tcp_in"}}


def vmap(field: str) -> dict[str, Any]:
    """Return the part of a rule that leads from a port to its door."""
    return {"vmap": {"key": expression(field), "data": "@tcp_doors"}}
