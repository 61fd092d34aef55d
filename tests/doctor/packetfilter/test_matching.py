"""Tests of L{pkdoors.doctor.packetfilter._matching}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.packetfilter._elements import Elements
from pkdoors.doctor.packetfilter._matching import Match, isAmong
from pkdoors.doctor.packetfilter.packets import newPacket
from tests.doctor.rules import TCP, findFate
from tests.fakes.rulesets import DROP, condition, expression


class ConditionTests(SynchronousTestCase):
    """
    Tests of rules with one condition: met, not met, or unknown.
    """

    def meets(self, field: str, right: Any, op: str = "==", **table: Any) -> bool | None:
        """Return whether a packet meets a condition; L{None} if that is unknown."""
        found = findFate([condition(field, right, op), DROP], **table)
        if found.verdict == "drop":
            return True
        return None if found.others else False

    def test_port(self) -> None:
        """A port matches its number, in a range, and in a set with a name or without."""
        good = [17001, {"range": [17000, 17009]}, {"set": [5, 17001]}, {"set": 17001}]
        bad: list[Any] = [17002, {"range": [1, 17000]}, {"set": [5, {"range": [6, 9]}]}]
        for right in good:
            self.assertIs(True, self.meets("udp dport", right), right)
        for right in bad:
            self.assertIs(False, self.meets("udp dport", right), right)
            self.assertIs(True, self.meets("udp dport", right, "!="), right)

    def test_namedSet(self) -> None:
        """A set is found in the rule's own table; its elements may have a timeout and a comment."""
        sets = {"knocks": [{"elem": {"val": 17001, "timeout": 5}}], "other": [17002]}
        self.assertIs(True, self.meets("udp dport", "@knocks", sets=sets))
        self.assertIs(False, self.meets("udp dport", "@other", sets=sets))
        self.assertIsNone(self.meets("udp dport", "@missing", sets=sets))

    def test_otherProtocol(self) -> None:
        """A rule on a TCP port ignores UDP, with every operator; C{th} is both."""
        for op in ("==", "!="):
            self.assertIs(False, self.meets("tcp dport", 1, op))
        self.assertIs(True, self.meets("th dport", 22, packet=TCP))
        self.assertIs(True, self.meets("th dport", 17001))

    def test_order(self) -> None:
        """A port is compared with another."""
        self.assertIs(True, self.meets("udp dport", 17001, ">="))
        self.assertIs(False, self.meets("udp dport", 17001, ">"))
        self.assertIs(True, self.meets("udp dport", 17002, "<"))
        self.assertIs(False, self.meets("udp dport", 17000, "<="))
        self.assertIsNone(self.meets("meta length", 100, ">"))

    def test_protocol(self) -> None:
        """The protocol is known, by each of its names."""
        for field in ("meta l4proto", "ip protocol"):
            self.assertIs(True, self.meets(field, {"set": ["tcp", "udp"]}), field)
            self.assertIs(False, self.meets(field, "icmp"), field)
            self.assertIs(True, self.meets(field, 17), field)
        self.assertIs(True, self.meets("ip6 nexthdr", "udp", version=6))
        self.assertIs(False, self.meets("ip6 nexthdr", "udp"))

    def test_family(self) -> None:
        """The family is known."""
        self.assertIs(True, self.meets("meta nfproto", "ipv6", version=6))
        self.assertIs(False, self.meets("meta nfproto", "ipv6"))
        self.assertIs(True, self.meets("meta protocol", "ip"))

    def test_state(self) -> None:
        """The packet begins a connection."""
        self.assertIs(False, self.meets("ct state", ["established", "related"], "in"))
        self.assertIs(True, self.meets("ct state", "new", "in"))
        self.assertIs(True, self.meets("ct state", {"set": ["new", "untracked"]}))

    def test_interface(self) -> None:
        """The packet does not come from loopback; its interface is unknown."""
        for field in ("meta iif", "meta iifname"):
            self.assertIs(False, self.meets(field, "lo"))
            self.assertIs(True, self.meets(field, "lo", "!="))
            self.assertIsNone(self.meets(field, {"set": ["lo", "eth0"]}))

    def test_concatenation(self) -> None:
        """A packet must meet all parts of a concatenation; a part that it does not meet decides."""
        field = "meta l4proto . th dport"
        sets = {"knocks": [{"concat": ["tcp", 22]}, {"concat": ["udp", {"range": [1, 18000]}]}]}
        self.assertIs(True, self.meets(field, "@knocks", sets=sets))
        self.assertIs(False, self.meets(field, {"set": [{"concat": ["tcp", 17001]}]}))
        field = "ip saddr . udp dport"
        self.assertIs(False, self.meets(field, {"set": [{"concat": ["10.0.0.1", 22]}]}))
        self.assertIsNone(self.meets(field, {"set": [{"concat": ["10.0.0.1", 17001]}]}))

    def test_flags(self) -> None:
        """A TCP packet that begins a connection has SYN, and no other flag."""

        flags = ["fin", "syn", "rst", "ack"]

        def masked(right: Any, op: str, mask: Any = flags) -> bool:
            left = {"&": [expression("tcp flags"), mask]}
            part = {"match": {"op": op, "left": left, "right": right}}
            return findFate([part, DROP], packet=TCP).verdict == "drop"

        self.assertTrue(masked("syn", "=="))
        self.assertFalse(masked("syn", "!="))
        self.assertFalse(masked(["syn", "ack"], "=="))
        self.assertFalse(masked(0, "=="))
        newer = {"|": [{"|": [{"|": ["fin", "syn"]}, "rst"]}, "ack"]}  # as nft 1.1 lists it
        self.assertTrue(masked("syn", "==", newer))
        self.assertFalse(masked({"|": ["syn", "ack"]}, "==", newer))
        self.assertTrue(masked("syn", "==", {"|": ["syn", "ack"]}))
        self.assertFalse(masked("syn", "==", {"strange": 1}))
        self.assertFalse(findFate([condition("tcp flags", "syn"), DROP]).others)

    def test_destination(self) -> None:
        """The packet goes to an address of this host."""
        self.assertIs(False, self.meets("fib type/daddr", "local", "!="))
        self.assertIsNone(self.meets("fib oif/saddr", False))

    def test_unknown(self) -> None:
        """All other conditions are unknown; some of them only a few packets can meet."""
        few = [condition("ct status", "dnat", "in"), {"limit": {"rate": 3}}]
        few += [{"xt": {"type": "match", "name": "conntrack"}}]
        hosts = [condition("ip saddr", "10.0.0.1"), condition("ip6 saddr", {"set": ["::1", "::2"]})]
        networks = [condition("ip saddr", {"prefix": {"addr": "10.0.0.0", "len": 8}})]
        many = [condition("ip saddr", "10.0.0.1", "!="), condition("meta mark", 5)]
        many += [{"xt": {"type": "match", "name": "multiport"}}, {"xt": None}]
        for parts, likelihood in (
            (few, Match.SOME),
            (hosts, Match.HOSTS),
            (networks, Match.NETWORKS),
            (many, Match.UNSURE),
        ):
            for part in parts:
                version = 6 if "ip6" in str(part) else 4
                others = findFate([part, DROP], version=version).others
                self.assertEqual({("drop", likelihood)}, others, part)

    def test_comment(self) -> None:
        """iptables' comments are not a condition, and its log is not a verdict."""
        comment, log = ({"type": "match", "name": "comment"}, {"type": "target", "name": "LOG"})
        self.assertEqual("drop", findFate([{"xt": comment}, DROP]).verdict)
        self.assertEqual("accept", findFate([{"xt": log}]).verdict)


class InterfaceTests(SynchronousTestCase):
    """
    Tests of L{isAmong} with the interface that a packet comes by.
    """

    def test_elements(self) -> None:
        """The interface is not loopback; it may be any other, in whatever form nft lists it."""
        packet = newPacket("tcp", 22, 4)
        for listed, expected in (
            (["lo"], False),
            (["lo", "eth0"], None),
            ([{"prefix": {"addr": "eth", "len": 24}}], None),
            (["lo", {"range": ["eth0", "eth9"]}], None),
        ):
            found = isAmong(packet, {"meta": {"key": "iifname"}}, Elements(listed))
            self.assertIs(expected, found, listed)
