"""Tests of L{pkdoors.firewall.guard.trusted}."""

from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._rules import rulesFor
from pkdoors.firewall.guard.openingsets import Access
from pkdoors.firewall.guard.portgroups import portGroups
from pkdoors.firewall.guard.sets import setsFor
from pkdoors.firewall.guard.trusted import (
    isTrustedSet,
    nameTrusted,
    spellTrusted,
    trustedLookups,
    trustedSets,
)
from pkdoors.model.doors import Door
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor

ALL = "192.168.1.0/24,10.1.0.0/24,10.2.0.7,fd00::/8,2001:db8::7,wg0,eth0.100"
SSH = (22).to_bytes(2) + bytes(2)
FIB = "fib saddr . iif oif exists"


def trusting(text: str = ALL, **fields: Any) -> Door:
    """Return a door that trusts some networks and interfaces."""
    return makeDoor(trusted=parseTrustedList(text), **fields)


def named(name: str) -> bytes:
    """Return the key of an interface."""
    return name.encode().ljust(16, b"\0")


class TrustedSetTests(SynchronousTestCase):
    """
    Tests of L{trustedSets}, and of the rules that use them.
    """

    def test_sets(self) -> None:
        """Networks of one length share a set of masked addresses; no set has intervals."""
        lookups = trustedLookups(trusting(), Access("tcp", 0))
        self.assertEqual(
            {
                "tcp_trusted4_24": f"ip saddr & 255.255.255.0 . tcp dport @tcp_trusted4_24 {FIB}",
                "tcp_trusted4": f"ip saddr . tcp dport @tcp_trusted4 {FIB}",
                "tcp_trusted6_8": f"ip6 saddr & ff00:: . tcp dport @tcp_trusted6_8 {FIB}",
                "tcp_trusted6": f"ip6 saddr . tcp dport @tcp_trusted6 {FIB}",
                "tcp_trustedif": "iifname . tcp dport @tcp_trustedif",
            },
            {lookup.name: lookup.condition("tcp dport") for lookup in lookups},
        )
        found = trustedSets([trusting()])
        keys = {ip_address(text).packed + SSH for text in ("192.168.1.0", "10.1.0.0")}
        self.assertEqual(keys, found["tcp_trusted4_24"].keys)
        self.assertEqual({named("wg0") + SSH, named("eth0.100") + SSH}, found["tcp_trustedif"].keys)
        self.assertNotIn("interval", " ".join(trusted.type for trusted in found.values()))

    def test_many(self) -> None:
        """Doors share the sets; each element is for a port of its own door."""
        one, other = trusting("wg0", ports="22"), trusting("wg1", ports="80-83", name="other")
        found = trustedSets([one, other])
        self.assertEqual({named("wg0") + SSH}, found["tcp_trustedif"].keys)
        port = (80).to_bytes(2) + bytes(2)
        self.assertEqual({named("wg1") + port}, found["tcp_trustedif_by4"].keys)
        many = [trusting(ports=str(n), name=f"d{n}") for n in range(1, 1001)]
        self.assertEqual(trustedSets([one, trusting()]).keys(), trustedSets(many).keys())

    def test_names(self) -> None:
        """The sets are among those of the guard, and are known by their names, whatever a door is
        called."""
        door = trusting(name="tcp_trusted4", ports="22,80-90,53/udp")
        names = {*trustedSets([door])}
        once = makeDoor((1, 2, 3, 4, 5), "81", name="tcp_trusted4_24", once=True)
        self.assertEqual(names, {*filter(isTrustedSet, setsFor([door, once]))})

    def test_rules(self) -> None:
        """A trusted client begins connections as one with an opening does, and uses up none: its
        rules come first."""
        for cut, protocol, verdict in (
            (False, "tcp", "goto let_in"),
            (True, "tcp", "accept"),
            (False, "udp", "goto udpletin_180000ms_43200000ms"),
            (True, "udp", "accept"),
        ):
            door = trusting("10.0.0.0/8,wg0", ports=f"22/{protocol}", cutSessions=cut)
            (group,) = portGroups([door], protocol)
            chain = [rule for rule in rulesFor([door]) if rule.startswith(f"{group.name} ")]
            expected = [
                f"{group.name} {lookup.condition(f'{protocol} dport')} {verdict}"
                for lookup in group.lookups.trusted
            ]
            self.assertEqual(2, len(expected))
            self.assertEqual(expected, chain[:2])

    def test_otherPorts(self) -> None:
        """Packets to other ports are not looked up there."""
        one = trusting("wg0", ports="22,80", name="one")
        groups = portGroups([one, makeDoor(ports="80,443", name="other")], "tcp")
        trusted = {spans[0]: bool(group.lookups.trusted) for group, spans in groups.items()}
        self.assertEqual({(22, 22): True, (443, 443): False}, trusted)

    def test_spelled(self) -> None:
        """Elements are spelled as the configuration has them."""
        texts = {
            nameTrusted(name, spellTrusted(name, key))
            for name, trusted in trustedSets([trusting(ports="22,80-90")]).items()
            for key in trusted.keys
        }
        self.assertEqual({*ALL.split(",")}, texts)
