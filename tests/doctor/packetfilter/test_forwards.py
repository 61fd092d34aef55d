"""Tests of L{pkdoors.doctor.packetfilter.forwards}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.findings import WARNING, Finding
from pkdoors.doctor.packetfilter.forwards import hasFlowtable, isForwarded, offloaded, redirects
from pkdoors.doctor.packetfilter.packets import newPacket
from pkdoors.doctor.packetfilter.ruleset import Ruleset, readRuleset
from pkdoors.model.ports import PortRange
from tests.fakes.rulesets import condition, joinListings, makeListing

PORT = condition("tcp dport", 8080)
DNAT: dict[str, Any] = {"dnat": {"addr": "172.17.0.2", "port": 80}}


class IsForwardedTests(SynchronousTestCase):
    """
    Tests of L{isForwarded}.
    """

    def forwards(self, rule: list[Any], version: int = 4, **how: Any) -> bool:
        """Whether a table with a rule forwards 8080/tcp."""
        how = {"hook": "prerouting", "kind": "nat", **how}
        table = makeListing([{"jump": {"target": "D"}}], chains={"D": [rule]}, **how)
        packet = newPacket("tcp", 8080, version)
        return isForwarded(readRuleset(joinListings(table)), packet, version)

    def test_docker(self) -> None:
        """A rule for the port forwards it, in nft's words and in iptables' ones."""
        other = condition("meta iifname", "docker0", "!=")
        for target in (
            DNAT,
            {"redirect": {"port": 80}},
            {"xt": {"type": "target", "name": "DNAT"}},
        ):
            self.assertTrue(self.forwards([other, PORT, {"counter": None}, target]), target)

    def test_others(self) -> None:
        """One for another port does not, nor one for whole addresses, nor one that only counts."""
        for rule in (
            [condition("tcp dport", 80), DNAT],
            [condition("ip daddr", "192.0.2.9"), DNAT],
            [PORT, {"counter": None}],
            [PORT, {"xt": {"type": "target", "name": "LOG"}}],
            [PORT, {"xt": None}],
        ):
            self.assertFalse(self.forwards(rule), rule)

    def test_elsewhere(self) -> None:
        """What counts is the table whose chain sees packets first, of the right family."""
        self.assertFalse(self.forwards([PORT, DNAT], hook="output"))
        self.assertFalse(self.forwards([PORT, DNAT], kind="filter"))
        self.assertFalse(self.forwards([PORT, DNAT], chain="ip nat PREROUTING", version=6))
        self.assertTrue(self.forwards([PORT, DNAT], chain="ip nat PREROUTING"))


class WholeAddressTests(SynchronousTestCase):
    """
    Rules that forward all ports of an address.
    """

    def test_meant(self) -> None:
        """They count only if that is meant."""
        rule = [condition("ip daddr", "192.0.2.9"), DNAT]
        ruleset = nat(rule)
        packet = newPacket("tcp", 8080, 4)
        self.assertFalse(isForwarded(ruleset, packet, 4))
        self.assertTrue(isForwarded(ruleset, packet, 4, isWholeAddressMeant=True))


class RedirectsTests(SynchronousTestCase):
    """
    Tests of L{redirects}.
    """

    def look(self, target: dict[str, Any], *reachable: int) -> list[Finding]:
        """What is found of 8080/tcp."""

        def isReachable(ports: PortRange) -> bool:
            return ports.protocol == "tcp" and ports.first in reachable

        ports = PortRange("tcp", 8080, 8080)
        return list(redirects(nat([PORT, target]), ports, (4, 6), isReachable))

    def test_reachable(self) -> None:
        """The port behind is to be protected, too, if clients reach it."""
        target = {"redirect": {"port": 80}}
        (found,) = self.look(target, 80)
        self.assertEqual((WARNING, "8080/tcp"), (found.level, found.subject))
        self.assertIn("redirected to 80/tcp", found.text)
        self.assertIn("protect 80/tcp", found.remedy)
        self.assertEqual([], self.look(target, 81))

    def test_others(self) -> None:
        """Containers are elsewhere, and a redirect may have no port of its own."""
        for target in (DNAT, {"redirect": None}, {"redirect": {"port": {"range": [80, 90]}}}):
            self.assertEqual([], self.look(target, 80), target)

    def test_iptables(self) -> None:
        """Of iptables' redirects it cannot be told where they lead."""
        (found,) = self.look({"xt": {"type": "target", "name": "REDIRECT"}})
        self.assertIn("`iptables -t nat -S`", found.remedy)
        self.assertEqual([], self.look({"xt": {"type": "target", "name": "DNAT"}}))


class OffloadedTests(SynchronousTestCase):
    """
    Tests of L{hasFlowtable} and L{offloaded}.
    """

    def test_flowtable(self) -> None:
        """It is a rule that makes a flowtable work, nft's or iptables'."""
        for part in ({"flow": {"op": "add", "flowtable": "@f"}}, {"xt": {"name": "FLOWOFFLOAD"}}):
            self.assertTrue(hasFlowtable(nat([PORT, part])), part)
        self.assertFalse(hasFlowtable(nat([PORT, DNAT])))

    def test_forwarded(self) -> None:
        """Only what is forwarded can come into it."""
        for port, count in ((8080, 1), (22, 0)):
            found = list(offloaded(nat([PORT, DNAT]), PortRange("tcp", port, port), (4, 6)))
            self.assertEqual([(WARNING, "8080/tcp")] * count, [(f.level, f.subject) for f in found])


def nat(*rules: list[Any]) -> Ruleset:
    """A table with rules where packets come in."""
    return readRuleset(joinListings(makeListing(*rules, hook="prerouting", kind="nat")))
