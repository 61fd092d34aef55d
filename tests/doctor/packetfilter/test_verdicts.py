"""
Tests of L{pkdoors.doctor.packetfilter.verdicts}, and of what it is made of: conditions, packets,
tables.
"""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.packetfilter._matching import Match
from pkdoors.doctor.packetfilter.packets import newPacket, refusal
from pkdoors.doctor.packetfilter.ruleset import Ruleset, readRuleset
from pkdoors.doctor.packetfilter.verdicts import MAX_DEPTH, MAX_RULES, Fate, fatesOf
from tests.fakes.rulesets import (
    ACCEPT,
    DROP,
    REJECT,
    condition,
    expression,
    joinListings,
    makeListing,
)

TCP, UDP = ("tcp", 22), ("udp", 17001)


def read(*rules: list[Any], **table: Any) -> Ruleset:
    """A table of L{makeListing}."""
    return readRuleset(joinListings(makeListing(*rules, **table)))


def fate(*rules: list[Any], packet: tuple[str, int] = UDP, version: int = 4, **table: Any) -> Fate:
    """What becomes of a packet in one chain."""
    (found,) = fatesOf(read(*rules, **table), newPacket(*packet, version), version, "input")
    return found


def jump(target: str, kind: str = "jump") -> dict[str, Any]:
    """A call of another chain."""
    return {kind: {"target": target}}


class ConditionTests(SynchronousTestCase):
    """
    Rules with one condition: met, not met, or not to be told.
    """

    def meets(self, field: str, right: Any, op: str = "==", **how: Any) -> bool | None:
        """Whether a packet meets a condition; L{None} where that cannot be told."""
        found = fate([condition(field, right, op), DROP], **how)
        if found.verdict == "drop":
            return True
        return None if found.others else False

    def test_port(self) -> None:
        """A port is met by its number, in a range, and in a set with a name or without."""
        good = [17001, {"range": [17000, 17009]}, {"set": [5, 17001]}, {"set": 17001}]
        bad: list[Any] = [17002, {"range": [1, 17000]}, {"set": [5, {"range": [6, 9]}]}]
        for right in good:
            self.assertIs(True, self.meets("udp dport", right), right)
        for right in bad:
            self.assertIs(False, self.meets("udp dport", right), right)
            self.assertIs(True, self.meets("udp dport", right, "!="), right)

    def test_namedSet(self) -> None:
        """A set is found in the rule's own table; elements may have a timeout and a comment."""
        sets = {"knocks": [{"elem": {"val": 17001, "timeout": 5}}], "other": [17002]}
        self.assertIs(True, self.meets("udp dport", "@knocks", sets=sets))
        self.assertIs(False, self.meets("udp dport", "@other", sets=sets))
        self.assertIsNone(self.meets("udp dport", "@missing", sets=sets))

    def test_otherProtocol(self) -> None:
        """A rule on a TCP port does not see UDP, whatever it asks; C{th} is both."""
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
        """So is the family."""
        self.assertIs(True, self.meets("meta nfproto", "ipv6", version=6))
        self.assertIs(False, self.meets("meta nfproto", "ipv6"))
        self.assertIs(True, self.meets("meta protocol", "ip"))

    def test_state(self) -> None:
        """The packet begins a connection."""
        self.assertIs(False, self.meets("ct state", ["established", "related"], "in"))
        self.assertIs(True, self.meets("ct state", "new", "in"))
        self.assertIs(True, self.meets("ct state", {"set": ["new", "untracked"]}))

    def test_interface(self) -> None:
        """It does not come from loopback; from where it comes cannot be told."""
        for field in ("meta iif", "meta iifname"):
            self.assertIs(False, self.meets(field, "lo"))
            self.assertIs(True, self.meets(field, "lo", "!="))
            self.assertIsNone(self.meets(field, {"set": ["lo", "eth0"]}))

    def test_concatenation(self) -> None:
        """All parts of a concatenation must be met, and one that is not is enough."""
        field = "meta l4proto . th dport"
        sets = {"knocks": [{"concat": ["tcp", 22]}, {"concat": ["udp", {"range": [1, 18000]}]}]}
        self.assertIs(True, self.meets(field, "@knocks", sets=sets))
        self.assertIs(False, self.meets(field, {"set": [{"concat": ["tcp", 17001]}]}))
        field = "ip saddr . udp dport"
        self.assertIs(False, self.meets(field, {"set": [{"concat": ["10.0.0.1", 22]}]}))
        self.assertIsNone(self.meets(field, {"set": [{"concat": ["10.0.0.1", 17001]}]}))

    def test_flags(self) -> None:
        """A TCP packet that begins a connection has SYN, and no other flag."""

        def masked(right: Any, op: str) -> bool:
            left = {"&": [expression("tcp flags"), ["fin", "syn", "rst", "ack"]]}
            part = {"match": {"op": op, "left": left, "right": right}}
            return fate([part, DROP], packet=TCP).verdict == "drop"

        self.assertTrue(masked("syn", "=="))
        self.assertFalse(masked("syn", "!="))
        self.assertFalse(masked(["syn", "ack"], "=="))
        self.assertFalse(masked(0, "=="))
        self.assertFalse(fate([condition("tcp flags", "syn"), DROP]).others)

    def test_destination(self) -> None:
        """It goes to an address of this host."""
        self.assertIs(False, self.meets("fib type/daddr", "local", "!="))
        self.assertIsNone(self.meets("fib oif/saddr", False))

    def test_unknown(self) -> None:
        """All else cannot be told; some of it only a few packets can meet."""
        few = [condition("ip saddr", "10.0.0.1"), condition("ct status", "dnat", "in")]
        few += [{"limit": {"rate": 3}}, {"xt": {"type": "match", "name": "conntrack"}}]
        many = [condition("ip saddr", "10.0.0.1", "!="), condition("meta mark", 5)]
        many += [{"xt": {"type": "match", "name": "multiport"}}, {"xt": None}]
        for parts, likelihood in ((few, Match.SOME), (many, Match.UNSURE)):
            for part in parts:
                self.assertEqual({("drop", likelihood)}, fate([part, DROP]).others, part)

    def test_comment(self) -> None:
        """iptables' comments are no condition, its log no verdict."""
        comment, log = ({"type": "match", "name": "comment"}, {"type": "target", "name": "LOG"})
        self.assertEqual("drop", fate([{"xt": comment}, DROP]).verdict)
        self.assertEqual("accept", fate([{"xt": log}]).verdict)


class WalkTests(SynchronousTestCase):
    """
    The way through chains.
    """

    def test_policy(self) -> None:
        """Where no rule decides, the policy does."""
        for policy in ("accept", "drop"):
            self.assertEqual(policy, fate([{"counter": None}], policy=policy).verdict)

    def test_first(self) -> None:
        """The first verdict counts."""
        found = fate([condition("udp dport", 17001), ACCEPT], [DROP], policy="drop")
        self.assertEqual(
            ("accept", False, False), (found.verdict, found.isLost(), found.mayBeLost())
        )
        self.assertEqual("reject", fate([REJECT], [ACCEPT]).verdict)
        target = {"xt": {"type": "target", "name": "REJECT"}}
        self.assertEqual("reject", fate([target], [ACCEPT]).verdict)

    def test_severalConditions(self) -> None:
        """All conditions of a rule must be met."""
        udp, other = condition("meta l4proto", "udp"), condition("th dport", 5)
        self.assertEqual("accept", fate([udp, other, DROP]).verdict)
        self.assertEqual(frozenset(), fate([condition("ip saddr", "10.0.0.1"), other, DROP]).others)

    def test_jump(self) -> None:
        """A chain that is called decides, or falls through, or returns."""
        chains = {"a": [[DROP]], "b": [[{"counter": None}]], "c": [[{"return": None}], [DROP]]}
        self.assertEqual("drop", fate([jump("a")], [ACCEPT], chains=chains).verdict)
        for name in "bc":
            self.assertEqual("reject", fate([jump(name)], [REJECT], chains=chains).verdict)

    def test_goto(self) -> None:
        """After a goto nothing more of the chain counts."""
        chains = {"a": [[{"counter": None}]], "b": [[DROP]]}
        found = fate([jump("a", "goto")], [ACCEPT], policy="drop", chains=chains)
        self.assertEqual("drop", found.verdict)
        self.assertEqual("drop", fate([jump("b", "goto")], chains=chains).verdict)

    def test_gotoInACall(self) -> None:
        """Its end is the end of the chain that it is in, not of the one that called that."""
        chains = {"a": [[jump("b", "goto")], [DROP]], "b": []}
        self.assertEqual("reject", fate([jump("a")], [REJECT], chains=chains).verdict)

    def test_certainDrop(self) -> None:
        """A drop is certain where no accept can come before it; a ban is none of that."""
        banned = [condition("ip saddr", "10.0.0.1"), DROP]
        friend = [condition("ip saddr", "10.0.0.2"), ACCEPT]
        for rules, isLost, mayBe in (
            ([banned], True, True),
            ([friend], False, True),
            ([banned, [ACCEPT]], False, False),
            ([friend, banned, [ACCEPT]], False, False),
            ([[condition("meta mark", 1), DROP], [ACCEPT]], False, True),
        ):
            found = fate(*rules, policy="drop")
            self.assertEqual((isLost, mayBe), (found.isLost(), found.mayBeLost()), rules)

    def test_doubtfulCall(self) -> None:
        """What a chain does that may be called may be done."""
        chains = {"wan": [[DROP]], "lan": [[ACCEPT]], "out": [[{"return": None}]]}
        eth = condition("meta iifname", "eth0")
        for name, outcome in (("wan", "drop"), ("lan", "accept"), ("out", None)):
            found = fate([eth, jump(name)], chains=chains)
            expected = {(outcome, Match.UNSURE)} if outcome else set()
            self.assertEqual(expected, found.others, name)

    def test_doubtfulGoto(self) -> None:
        """A chain that may be gone to, and decides, does not let through."""
        eth = condition("meta iifname", "eth0")
        chains = {"wan": [[DROP]], "open": []}
        self.assertTrue(fate([eth, jump("wan", "goto")], [DROP], chains=chains).isLost())
        self.assertFalse(fate([eth, jump("open", "goto")], [DROP], chains=chains).isLost())

    def test_doubtfulReturn(self) -> None:
        """Who may return may be let through later."""
        chains = {"a": [[condition("ip saddr", "10.0.0.1"), {"return": None}], [DROP]]}
        found = fate([jump("a")], [ACCEPT], chains=chains)
        self.assertEqual(("drop", False, True), (found.verdict, found.isLost(), found.mayBeLost()))

    def test_map(self) -> None:
        """A map of verdicts is looked up, one with a name, too."""

        def look(data: Any, **table: Any) -> Fate:
            part = {"vmap": {"key": expression("udp dport"), "data": data}}
            return fate([part], [REJECT], **table)

        pairs = [[5, ACCEPT], [{"range": [17000, 17001]}, DROP]]
        self.assertEqual("drop", look({"set": pairs}).verdict)
        self.assertEqual("drop", look("@map", sets={"map": pairs}).verdict)
        self.assertEqual("reject", look({"set": pairs[:1]}).verdict)
        self.assertEqual("drop", look({"set": [[5, ACCEPT], ["*", DROP]]}).verdict)
        self.assertEqual(
            "reject",
            fate(
                [{"vmap": {"key": expression("tcp dport"), "data": {"set": [["*", DROP]]}}}],
                [REJECT],
            ).verdict,
        )

    def test_mapOfTheUnknown(self) -> None:
        """What a map has for what is not known may be done; for loopback it is not."""

        def look(field: str, *pairs: list[Any]) -> frozenset[tuple[str, Match]]:
            return fate([{"vmap": {"key": expression(field), "data": {"set": list(pairs)}}}]).others

        self.assertEqual(frozenset(), look("meta iifname", ["lo", ACCEPT]))
        others = look("meta iifname", ["lo", ACCEPT], ["eth0", DROP], ["eth1", DROP])
        self.assertEqual({("drop", Match.UNSURE)}, others)
        self.assertEqual({("drop", Match.SOME)}, look("ip saddr", ["10.0.0.1", DROP]))
        self.assertEqual(frozenset(), look("ct state", ["invalid", DROP], ["established", ACCEPT]))

    def test_program(self) -> None:
        """What a program decides cannot be told."""
        for part in ({"queue": None}, {"xt": {"type": "target", "name": "NFQUEUE"}}):
            found = fate([part])
            self.assertEqual((False, True), (found.isLost(), found.mayBeLost()))

    def test_strange(self) -> None:
        """So it is with rules that are not as nft shows them."""
        for part in ({}, None, {"jump": None}, {"jump": {"target": "nowhere"}}, {"match": 7}):
            found = fate([part], [ACCEPT])
            self.assertEqual((False, True), (found.isLost(), found.mayBeLost()), part)

    def test_bounds(self) -> None:
        """Chains that call each other for ever, or too many times, end."""
        self.assertEqual("queue", fate([jump("a")], chains={"a": [[jump("a")]]}).verdict)
        calls = {f"c{n}": [[jump(f"c{n + 1}")]] * 9 for n in range(MAX_DEPTH - 2)}
        chains = {**calls, f"c{MAX_DEPTH - 2}": [[{"counter": None}]]}
        self.assertGreater(9 ** (MAX_DEPTH - 2), MAX_RULES)
        self.assertEqual("queue", fate([jump("c0")], chains=chains).verdict)

    def test_hooks(self) -> None:
        """Only the filters at the hook count, and those of the packet's family."""
        for table in (
            {"hook": "forward"},
            {"chain": "ip6 filter input"},
            {"kind": "nat"},
            {"chain": "bridge filter input"},
        ):
            found = fatesOf(read([DROP], **table), newPacket(*UDP, 4), 4, "input")
            self.assertEqual([], list(found), table)

    def test_ufw(self) -> None:
        """ufw's frame, which nft cannot read, is for other packets than new ones to a port."""
        xt = {"xt": {"type": "match", "name": "addrtype"}}
        chains = {
            "ufw-before-input": [[xt, DROP], [jump("ufw-not-local")], [jump("ufw-user-input")]],
            "ufw-not-local": [[xt, {"return": None}], [DROP]],
            "ufw-user-input": [[condition("udp dport", 17001), ACCEPT]],
        }
        table: dict[str, Any] = {"chain": "ip filter INPUT", "policy": "drop", "chains": chains}
        found = fate([jump("ufw-before-input")], **table)
        self.assertEqual(("accept", False), (found.verdict, found.mayBeLost()))
        found = fate([jump("ufw-before-input")], packet=("udp", 17002), **table)
        self.assertTrue(found.isLost())

    def test_refusal(self) -> None:
        """So the kernel's answer for a port that nobody has is looked for on its way out."""
        for version, icmp in ((4, "icmp"), (6, "icmpv6")):
            rule = [
                condition(f"{icmp} type", "destination-unreachable"),
                condition(f"{icmp} code", "port-unreachable"),
                DROP,
            ]
            rules = read(rule, hook="output")
            (found,) = fatesOf(rules, refusal(version), version, "output")
            self.assertTrue(found.isLost())
            (found,) = fatesOf(rules, refusal(10 - version), 10 - version, "output")
            self.assertFalse(found.mayBeLost())


class ReadRulesetTests(SynchronousTestCase):
    """
    Tests of L{readRuleset}.
    """

    def test_garbage(self) -> None:
        """What is no listing is one of three errors."""
        rule = {"rule": {"family": "ip", "table": "t", "chain": "nowhere"}}
        for text in ("", "{}", "[]", '{"nftables": [{}]}', json.dumps({"nftables": [rule]})):
            with self.assertRaises((LookupError, TypeError, ValueError), msg=text):
                readRuleset(text)
