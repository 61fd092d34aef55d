"""Tests of L{pkdoors.doctor.packetfilter.verdicts} and L{pkdoors.doctor.packetfilter.ruleset}."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.packetfilter._matching import Match
from pkdoors.doctor.packetfilter.packets import newPacket, newRefusal
from pkdoors.doctor.packetfilter.ruleset import readRuleset
from pkdoors.doctor.packetfilter.verdicts import MAX_DEPTH, MAX_RULES, Fate, findFilterFates
from tests.doctor.rules import TCP, UDP, findFate, makeRuleset
from tests.fakes.rulesets import ACCEPT, DROP, REJECT, condition, expression


def jump(target: str, kind: str = "jump") -> dict[str, Any]:
    """Return a call of another chain."""
    return {kind: {"target": target}}


class WalkTests(SynchronousTestCase):
    """
    Tests of the walk through chains.
    """

    def test_policy(self) -> None:
        """If no rule decides, the policy does."""
        for policy in ("accept", "drop"):
            self.assertEqual(policy, findFate([{"counter": None}], policy=policy).verdict)

    def test_first(self) -> None:
        """The first verdict counts."""
        found = findFate([condition("udp dport", 17001), ACCEPT], [DROP], policy="drop")
        self.assertEqual(
            ("accept", False, False), (found.verdict, found.isLost(), found.mayBeLost())
        )
        self.assertEqual("reject", findFate([REJECT], [ACCEPT]).verdict)
        target = {"xt": {"type": "target", "name": "REJECT"}}
        self.assertEqual("reject", findFate([target], [ACCEPT]).verdict)

    def test_severalConditions(self) -> None:
        """A packet must meet all conditions of a rule."""
        udp, other = condition("meta l4proto", "udp"), condition("th dport", 5)
        self.assertEqual("accept", findFate([udp, other, DROP]).verdict)
        self.assertEqual(
            frozenset(), findFate([condition("ip saddr", "10.0.0.1"), other, DROP]).others
        )

    def test_jump(self) -> None:
        """A called chain decides, or falls through, or returns."""
        chains = {"a": [[DROP]], "b": [[{"counter": None}]], "c": [[{"return": None}], [DROP]]}
        self.assertEqual("drop", findFate([jump("a")], [ACCEPT], chains=chains).verdict)
        for name in "bc":
            self.assertEqual("reject", findFate([jump(name)], [REJECT], chains=chains).verdict)

    def test_goto(self) -> None:
        """After a goto, the rest of the chain does not count."""
        chains = {"a": [[{"counter": None}]], "b": [[DROP]]}
        found = findFate([jump("a", "goto")], [ACCEPT], policy="drop", chains=chains)
        self.assertEqual("drop", found.verdict)
        self.assertEqual("drop", findFate([jump("b", "goto")], chains=chains).verdict)

    def test_gotoInACall(self) -> None:
        """A goto ends the chain that it is in, not the chain that called that one."""
        chains = {"a": [[jump("b", "goto")], [DROP]], "b": []}
        self.assertEqual("reject", findFate([jump("a")], [REJECT], chains=chains).verdict)

    def test_certainDrop(self) -> None:
        """A drop is certain if no rule before it can accept; a ban does not make it certain."""
        banned = [condition("ip saddr", "10.0.0.1"), DROP]
        friend = [condition("ip saddr", "10.0.0.2"), ACCEPT]
        for rules, isLost, mayBe in (
            ([banned], True, True),
            ([friend], False, True),
            ([banned, [ACCEPT]], False, False),
            ([friend, banned, [ACCEPT]], False, False),
            ([[condition("meta mark", 1), DROP], [ACCEPT]], False, True),
        ):
            found = findFate(*rules, policy="drop")
            self.assertEqual((isLost, mayBe), (found.isLost(), found.mayBeLost()), rules)

    def test_friends(self) -> None:
        """A drop that spares some addresses is one for all others; a rate spares everybody."""

        def judge(field: str, right: Any, op: str = "==", **table: Any) -> tuple[bool, bool, bool]:
            found = findFate([condition(field, right, op), ACCEPT], policy="drop", **table)
            self.assertTrue(found.mayBeLost())
            return found.isLost(), found.isLostToStrangers(), found.isLostToMost()

        lan, many = {"prefix": {"addr": "10.0.0.0", "len": 8}}, [str(n) for n in range(300)]
        for hosts in ("10.0.0.1", {"set": ["10.0.0.1", "10.0.0.2"]}, "@friends"):
            found = judge("ip saddr", hosts, sets={"friends": ["10.0.0.1"]})
            self.assertEqual((False, True, True), found, hosts)
        for networks in (lan, {"set": ["10.0.0.1", lan]}, "@unknown", {"set": many}):
            found = judge("ip saddr", networks)
            self.assertEqual((False, False, True), found, networks)
        for field, right, op in (
            ("ip saddr", "10.0.0.1", "!="),
            ("meta mark", 1, "=="),
            ("tcp sport", 5, "=="),
        ):
            packet = {"packet": TCP} if "tcp" in field else {}
            self.assertEqual((False,) * 3, judge(field, right, op, **packet), field)
        self.assertFalse(findFate([{"limit": {"rate": 4}}, ACCEPT], policy="drop").isLostToMost())

    def test_doubtfulCall(self) -> None:
        """The verdicts of a chain that may be called are possible."""
        chains = {"wan": [[DROP]], "lan": [[ACCEPT]], "out": [[{"return": None}]]}
        eth = condition("meta iifname", "eth0")
        for name, outcome in (("wan", "drop"), ("lan", "accept"), ("out", None)):
            found = findFate([eth, jump(name)], chains=chains)
            expected = {(outcome, Match.UNSURE)} if outcome else set()
            self.assertEqual(expected, found.others, name)

    def test_doubtfulGoto(self) -> None:
        """A chain that may be gone to, and decides, does not let the packet through."""
        eth = condition("meta iifname", "eth0")
        chains = {"wan": [[DROP]], "open": []}
        self.assertTrue(findFate([eth, jump("wan", "goto")], [DROP], chains=chains).isLost())
        self.assertFalse(findFate([eth, jump("open", "goto")], [DROP], chains=chains).isLost())

    def test_doubtfulReturn(self) -> None:
        """A packet that may return may be let through later."""
        chains = {"a": [[condition("ip saddr", "10.0.0.1"), {"return": None}], [DROP]]}
        found = findFate([jump("a")], [ACCEPT], chains=chains)
        self.assertEqual(("drop", False, True), (found.verdict, found.isLost(), found.mayBeLost()))

    def test_map(self) -> None:
        """A map of verdicts is looked up, with a name or without."""

        def look(data: Any, **table: Any) -> Fate:
            part = {"vmap": {"key": expression("udp dport"), "data": data}}
            return findFate([part], [REJECT], **table)

        pairs = [[5, ACCEPT], [{"range": [17000, 17001]}, DROP]]
        self.assertEqual("drop", look({"set": pairs}).verdict)
        self.assertEqual("drop", look("@map", sets={"map": pairs}).verdict)
        self.assertEqual("reject", look({"set": pairs[:1]}).verdict)
        self.assertEqual("drop", look({"set": [[5, ACCEPT], ["*", DROP]]}).verdict)
        self.assertEqual(
            "reject",
            findFate(
                [{"vmap": {"key": expression("tcp dport"), "data": {"set": [["*", DROP]]}}}],
                [REJECT],
            ).verdict,
        )

    def test_mapOfTheUnknown(self) -> None:
        """The verdicts for unknown values are possible, but not those for loopback."""

        def look(field: str, *pairs: list[Any]) -> frozenset[tuple[str, Match]]:
            return findFate(
                [{"vmap": {"key": expression(field), "data": {"set": list(pairs)}}}]
            ).others

        self.assertEqual(frozenset(), look("meta iifname", ["lo", ACCEPT]))
        others = look("meta iifname", ["lo", ACCEPT], ["eth0", DROP], ["eth1", DROP])
        self.assertEqual({("drop", Match.UNSURE)}, others)
        self.assertEqual({("drop", Match.NETWORKS)}, look("ip saddr", ["10.0.0.1", DROP]))
        self.assertEqual(frozenset(), look("ct state", ["invalid", DROP], ["established", ACCEPT]))

    def test_program(self) -> None:
        """The decision of a program is unknown."""
        for part in ({"queue": None}, {"xt": {"type": "target", "name": "NFQUEUE"}}):
            found = findFate([part])
            self.assertEqual((False, True), (found.isLost(), found.mayBeLost()))

    def test_strange(self) -> None:
        """The effect of a rule in an unknown form is unknown."""
        for part in ({}, None, {"jump": None}, {"jump": {"target": "nowhere"}}, {"match": 7}):
            found = findFate([part], [ACCEPT])
            self.assertEqual((False, True), (found.isLost(), found.mayBeLost()), part)

    def test_bounds(self) -> None:
        """Chains that call each other for ever, or too often, end."""
        self.assertEqual("queue", findFate([jump("a")], chains={"a": [[jump("a")]]}).verdict)
        calls = {f"c{n}": [[jump(f"c{n + 1}")]] * 9 for n in range(MAX_DEPTH - 2)}
        chains = {**calls, f"c{MAX_DEPTH - 2}": [[{"counter": None}]]}
        self.assertGreater(9 ** (MAX_DEPTH - 2), MAX_RULES)
        self.assertEqual("queue", findFate([jump("c0")], chains=chains).verdict)

    def test_hooks(self) -> None:
        """Only filters at the hook count, and only those of the packet's family."""
        for table in (
            {"hook": "forward"},
            {"chain": "ip6 filter input"},
            {"kind": "nat"},
            {"chain": "bridge filter input"},
        ):
            found = findFilterFates(makeRuleset([DROP], **table), newPacket(*UDP, 4), 4, "input")
            self.assertEqual([], list(found), table)

    def test_ufw(self) -> None:
        """ufw's own rules, which nft cannot read, do not concern new packets to a port."""
        xt = {"xt": {"type": "match", "name": "addrtype"}}
        chains = {
            "ufw-before-input": [[xt, DROP], [jump("ufw-not-local")], [jump("ufw-user-input")]],
            "ufw-not-local": [[xt, {"return": None}], [DROP]],
            "ufw-user-input": [[condition("udp dport", 17001), ACCEPT]],
        }
        table: dict[str, Any] = {"chain": "ip filter INPUT", "policy": "drop", "chains": chains}
        found = findFate([jump("ufw-before-input")], **table)
        self.assertEqual(("accept", False), (found.verdict, found.mayBeLost()))
        found = findFate([jump("ufw-before-input")], packet=("udp", 17002), **table)
        self.assertTrue(found.isLost())

    def test_refusal(self) -> None:
        """The kernel answers a datagram to a free port; that answer is judged on its way out."""
        for version, icmp in ((4, "icmp"), (6, "icmpv6")):
            rule = [
                condition(f"{icmp} type", "destination-unreachable"),
                condition(f"{icmp} code", "port-unreachable"),
                DROP,
            ]
            rules = makeRuleset(rule, hook="output")
            (found,) = findFilterFates(rules, newRefusal(version), version, "output")
            self.assertTrue(found.isLost())
            (found,) = findFilterFates(rules, newRefusal(10 - version), 10 - version, "output")
            self.assertFalse(found.mayBeLost())


class ReadRulesetTests(SynchronousTestCase):
    """
    Tests of L{readRuleset}.
    """

    def test_garbage(self) -> None:
        """Anything but a listing raises one of three errors."""
        rule = {"rule": {"family": "ip", "table": "t", "chain": "nowhere"}}
        for text in ("", "{}", "[]", '{"nftables": [{}]}', json.dumps({"nftables": [rule]})):
            with self.assertRaises((LookupError, TypeError, ValueError), msg=text):
                readRuleset(text)
