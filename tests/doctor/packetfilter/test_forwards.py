"""Tests of L{pkdoors.doctor.packetfilter.forwards}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.findings import WARNING, Finding
from pkdoors.doctor.packetfilter.forwards import (
    hasFlowtable,
    isForwarded,
    judgeForwardedKnocks,
    judgeOffloading,
    judgeRedirects,
)
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

    def forwards(self, rule: list[Any], version: int = 4, **table: Any) -> bool:
        """Return whether a table with a rule forwards 8080/tcp."""
        table = {"hook": "prerouting", "kind": "nat", **table}
        listing = makeListing([{"jump": {"target": "D"}}], chains={"D": [rule]}, **table)
        packet = newPacket("tcp", 8080, version)
        return isForwarded(readRuleset(joinListings(listing)), packet, version)

    def test_docker(self) -> None:
        """A rule for the port forwards it, in the form of nft and in that of iptables."""
        other = condition("meta iifname", "docker0", "!=")
        for target in (
            DNAT,
            {"redirect": {"port": 80}},
            {"xt": {"type": "target", "name": "DNAT"}},
        ):
            self.assertTrue(self.forwards([other, PORT, {"counter": None}, target]), target)

    def test_others(self) -> None:
        """
        A rule for another port does not, nor one for whole addresses, nor one that only counts.
        """
        for rule in (
            [condition("tcp dport", 80), DNAT],
            [condition("ip daddr", "192.0.2.9"), DNAT],
            [PORT, {"counter": None}],
            [PORT, {"xt": {"type": "target", "name": "LOG"}}],
            [PORT, {"xt": None}],
        ):
            self.assertFalse(self.forwards(rule), rule)

    def test_elsewhere(self) -> None:
        """Only tables of the right family count, whose chain sees packets first."""
        self.assertFalse(self.forwards([PORT, DNAT], hook="output"))
        self.assertFalse(self.forwards([PORT, DNAT], kind="filter"))
        self.assertFalse(self.forwards([PORT, DNAT], chain="ip nat PREROUTING", version=6))
        self.assertTrue(self.forwards([PORT, DNAT], chain="ip nat PREROUTING"))


class WholeAddressTests(SynchronousTestCase):
    """
    Tests of rules that forward all ports of an address.
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
    Tests of L{judgeRedirects}.
    """

    def look(self, target: dict[str, Any], *reachable: int) -> list[Finding]:
        """Return what is found about 8080/tcp."""

        def isReachable(ports: PortRange) -> bool:
            return ports.protocol == "tcp" and ports.first in reachable

        ports = PortRange("tcp", 8080, 8080)
        return list(judgeRedirects(nat([PORT, target]), ports, (4, 6), isReachable))

    def test_reachable(self) -> None:
        """The remedy protects the port behind, too, if clients reach it."""
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
        """It is unknown where iptables' redirects lead."""
        (found,) = self.look({"xt": {"type": "target", "name": "REDIRECT"}})
        self.assertIn("`iptables -t nat -S`", found.remedy)
        self.assertEqual([], self.look({"xt": {"type": "target", "name": "DNAT"}}))


class ForwardedKnocksTests(SynchronousTestCase):
    """
    Tests of L{judgeForwardedKnocks}.
    """

    def look(self, isCaptured: bool, udp: tuple[int, ...], tcp: tuple[int, ...]) -> list[Finding]:
        """Return what is found on a host that forwards 8080/tcp and 53/udp."""
        ruleset = nat([PORT, DNAT], [condition("udp dport", 53), DNAT])
        ports = {"udp": udp, "tcp": tcp}
        return list(judgeForwardedKnocks(ruleset, ports, (4, 6), isCaptured))

    def test_captured(self) -> None:
        """A captured knock goes on, to the program that the port is forwarded to."""
        (found,) = self.look(True, (1, 2, 8080), (8080, 53))
        self.assertEqual((WARNING, "8080/tcp"), (found.level, found.subject))
        self.assertIn("it is forwarded: the program there gets the knocks", found.text)
        (found,) = self.look(True, (1, 53), (8080,))
        self.assertEqual("knock ports", found.subject)
        self.assertIn("2 of 3 are forwarded", found.text)

    def test_sockets(self) -> None:
        """With sockets nothing is forwarded."""
        (found,) = self.look(False, (53,), ())
        self.assertEqual("53/udp", found.subject)
        self.assertIn("the program there gets nothing", found.text)

    def test_none(self) -> None:
        """Other ports are not concerned."""
        self.assertEqual([], self.look(True, (8080,), (53,)))


class OffloadedTests(SynchronousTestCase):
    """
    Tests of L{hasFlowtable} and L{judgeOffloading}.
    """

    def test_flowtable(self) -> None:
        """A rule of nft or iptables makes a flowtable work."""
        for part in ({"flow": {"op": "add", "flowtable": "@f"}}, {"xt": {"name": "FLOWOFFLOAD"}}):
            self.assertTrue(hasFlowtable(nat([PORT, part])), part)
        self.assertFalse(hasFlowtable(nat([PORT, DNAT])))

    def test_forwarded(self) -> None:
        """Only forwarded connections can be in it."""
        for port, count in ((8080, 1), (22, 0)):
            found = list(judgeOffloading(nat([PORT, DNAT]), PortRange("tcp", port, port), (4, 6)))
            self.assertEqual([(WARNING, "8080/tcp")] * count, [(f.level, f.subject) for f in found])


def nat(*rules: list[Any]) -> Ruleset:
    """Return a table with rules at the hook for incoming packets."""
    return readRuleset(joinListings(makeListing(*rules, hook="prerouting", kind="nat")))
