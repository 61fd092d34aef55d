"""Tests of L{pkdoors.firewall.guard.trusted}."""

from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._rules import rulesFor
from pkdoors.firewall.guard.sets import setsFor
from pkdoors.firewall.guard.trusted import changeTrusted, isTrustedSet, trustedSets
from pkdoors.model.doors import Door
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor

ALL = "192.168.1.0/24,10.1.0.0/24,10.2.0.7,fd00::/8,2001:db8::7,wg0,eth0.100"


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
        found = {trusted.name: trusted for trusted in trustedSets(trusting())}
        fib = "fib saddr . iif oif exists"
        self.assertEqual(
            {
                "default_trusted4_24": f"ip saddr & 255.255.255.0 @default_trusted4_24 {fib}",
                "default_trusted4_32": f"ip saddr @default_trusted4_32 {fib}",
                "default_trusted6_8": f"ip6 saddr & ff00:: @default_trusted6_8 {fib}",
                "default_trusted6_128": f"ip6 saddr @default_trusted6_128 {fib}",
                "default_trustedif": "iifname @default_trustedif",
            },
            {name: trusted.condition for name, trusted in found.items()},
        )
        keys = {ip_address(text).packed for text in ("192.168.1.0", "10.1.0.0")}
        self.assertEqual(keys, found["default_trusted4_24"].keys)
        self.assertEqual({named("wg0"), named("eth0.100")}, found["default_trustedif"].keys)
        self.assertNotIn("interval", " ".join(trusted.definition for trusted in found.values()))

    def test_names(self) -> None:
        """The sets are among those of the guard, and are known by their names, whatever a door is
        called."""
        door = trusting(name="a_trusted4_24")
        names = {trusted.name for trusted in trustedSets(door)}
        self.assertEqual(names, {*filter(isTrustedSet, setsFor([door, makeDoor(name="b")]))})

    def test_rules(self) -> None:
        """A trusted client begins connections as one with an opening does, and uses up none: its
        rules come first."""
        for cut, protocol, verdict in (
            (False, "tcp", "goto let_in"),
            (True, "tcp", "accept"),
            (False, "udp", "goto default_letin"),
            (True, "udp", "accept"),
        ):
            door = trusting("10.0.0.0/8,wg0", ports=f"22/{protocol}", cutSessions=cut)
            chain = f"default_{protocol}"
            found = [rule for rule in rulesFor([door]) if rule.startswith(f"{chain} ")]
            expected = [f"{chain} {trusted.condition} {verdict}" for trusted in trustedSets(door)]
            self.assertEqual(2, len(expected))
            self.assertEqual(expected, found[:2])

    def test_oneDoorsPorts(self) -> None:
        """Another door's ports have nothing of it; a port of both has."""
        one = trusting("wg0", ports="22,80", name="one")
        other = makeDoor(ports="80,443", name="other")
        users = {
            rule.split()[0] for rule in rulesFor([one, other]) if "@one_trustedif" in rule.split()
        }
        self.assertEqual({"one_tcp", "Doors1_tcp"}, users)


class ChangeTests(SynchronousTestCase):
    """
    Tests of L{changeTrusted}.
    """

    def changes(self, text: str, **present: frozenset[bytes]) -> list[str]:
        """Return the commands after what is present."""
        return list(changeTrusted("inet pkdoors", trusting(text), present))

    def test_new(self) -> None:
        """All elements of a new set are added, and interfaces are quoted."""
        self.assertEqual(
            [
                "add element inet pkdoors default_trusted4_24 { 10.1.0.0, 192.168.1.0 }",
                'add element inet pkdoors default_trustedif { "wg0" }',
            ],
            self.changes("192.168.1.0/24,10.1.0.0/24,wg0"),
        )

    def test_same(self) -> None:
        """What stays is not touched: not even for a moment is somebody kept out."""
        for text in (ALL, "fd00::/16", "wg0"):
            present = {trusted.name: trusted.keys for trusted in trustedSets(trusting(text))}
            self.assertEqual([], self.changes(text, **present))

    def test_differs(self) -> None:
        """Only what differs changes."""
        present = {
            "default_trusted6_8": frozenset({ip_address("fd00::").packed}),
            "default_trustedif": frozenset({named("wg0"), named("eth0")}),
        }
        self.assertEqual(
            [
                "delete element inet pkdoors default_trusted6_8 { fd00:: }",
                "add element inet pkdoors default_trusted6_8 { fc00:: }",
                'delete element inet pkdoors default_trustedif { "eth0" }',
                'add element inet pkdoors default_trustedif { "wg1" }',
            ],
            self.changes("fc00::/8,wg0,wg1", **present),
        )

    def test_strangeName(self) -> None:
        """A name that somebody else has added is never written as text."""
        for name in ('a"; drop', "a\nb", "b\u00fcro", "", "a}b"):
            there = frozenset({name.encode().ljust(16, b"\0"), named("wg0")})
            self.assertEqual(
                [
                    "flush set inet pkdoors default_trustedif",
                    'add element inet pkdoors default_trustedif { "wg0" }',
                ],
                self.changes("wg0", default_trustedif=there),
            )
