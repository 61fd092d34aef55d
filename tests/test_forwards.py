"""Tests of L{pkdoors.doctor.forwards}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.forwards import isForwarded
from pkdoors.doctor.packets import newPacket
from pkdoors.doctor.ruleset import readRuleset
from tests.fakes import condition, joinListings, makeListing

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
