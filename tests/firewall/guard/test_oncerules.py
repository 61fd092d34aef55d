"""Tests of L{pkdoors.firewall.guard._oncerules}; C{tests.real.test_once} asks the kernel."""

import re
from collections import defaultdict
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._rules import rulesFor
from pkdoors.firewall.guard.openingkeys import lookupKeys
from pkdoors.firewall.guard.portgroups import portGroups
from pkdoors.firewall.guard.sets import setsFor
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import readSource
from tests.fakes.doors import makeDoor

ONCE = makeDoor(once=True, name="one")
MANY = makeDoor((1, 2, 3, 4, 5), name="many")


def rules(*doors: Door) -> list[str]:
    """Return the rules for some doors."""
    return list(rulesFor(doors))


def chain(name: str, found: list[str]) -> list[str]:
    """Return the rules of a chain."""
    return [rule.partition(" ")[2] for rule in found if rule.startswith(f"{name} ")]


class OnceRulesTests(SynchronousTestCase):
    """
    Tests of the rules for openings for one connection.
    """

    def test_order(self) -> None:
        """
        A client's other openings and its sessions come first; then SYNs, resets, the first
        handshake that is completed, and those that come too late.
        """
        (group,) = portGroups([ONCE, MANY], "tcp")
        found = chain(group.name, rules(ONCE, MANY))
        self.assertEqual(
            [
                "ip saddr . tcp dport @tcp_open4 goto let_in",
                "ip6 saddr . tcp dport @tcp_open6 goto let_in",
                "jump going_on",
                f"ip saddr . tcp dport @tcp_gate4 jump {group.onceName}",
                f"ip6 saddr . tcp dport @tcp_gate6 jump {group.onceName}",
                "counter drop",
            ],
            found,
        )
        *fastOpen, syn4, syn6, use4, use6, reset, late = chain(group.onceName, rules(ONCE, MANY))
        self.assertEqual(2, sum("tcp option" in rule and "return" in rule for rule in fastOpen))
        for kind, pair in (("== syn ", (syn4, syn6)), ("jump one_first", (use4, use6))):
            for ip, v, rule in zip(("ip", "ip6"), (4, 6), pair, strict=True):
                self.assertIn(kind, rule)
                self.assertIn(f" {ip} saddr @one_once{v} {ip} saddr != @one_used{v} ", rule)
        self.assertEqual("tcp flags & (syn|rst) == rst accept", reset)
        self.assertTrue(late.endswith("== ack counter reject with tcp reset"))

    def test_manyDoors(self) -> None:
        """Only clients that have such an opening at a port meet the rules of its doors."""
        doors = [makeDoor(name=f"d{n}", once=True) for n in range(100)]
        (group,) = portGroups(doors, "tcp")
        found = rules(*doors)
        self.assertEqual(4, len(chain(group.name, found)))
        for name in ("answers", "forward"):
            few = len(chain(name, rules(ONCE)))
            self.assertEqual(few, len(chain(name, found)))

    def test_used(self) -> None:
        """Only what is not used lets a client begin, or end, a handshake."""
        for rule in rules(ONCE):
            if "@one_once" in rule:
                self.assertRegex(
                    rule, r"ip6? [sd]addr @one_once[46] ip6? [sd]addr != @one_used[46]"
                )

    def test_first(self) -> None:
        """The first one is let in after it was proved, and if it is the first."""
        found = rules(ONCE)
        for ip, v in (("ip", 4), ("ip6", 6)):
            use = f"add @one_used{v} {{ {ip} saddr limit rate 1/week burst 1 packets }}"
            self.assertEqual(
                [f"jump proof{v}", f"{use} goto session"], chain(f"one_first{v}", found)
            )

    def test_proof(self) -> None:
        """Any number plus one passes one rule, whatever the number, and no other number does."""
        found = chain("proof4", rules(ONCE))
        self.assertEqual("counter drop", found[-1])
        number = "(0x[0-9a-f]+)"
        flow = "ip saddr . ip daddr . tcp sport"
        proof = (
            f"tcp ackseq & {number} == {number} {flow} . tcp ackseq \\^ {number} @synacks4 return"
        )
        judged = []
        for rule in found[:-1]:
            match = re.fullmatch(proof, rule)
            assert match is not None, rule
            judged.append([int(text, 16) for text in match.groups()])
        for sent in (0, 1, 2, 0xFE, 0xFF, 0xFFFF, 0x12345678, 0x7FFFFFFE, 0x7FFFFFFF, 0xFFFFFFFF):
            acknowledged = (sent + 1) % 2**32
            looked = [
                acknowledged ^ bits for mask, last, bits in judged if acknowledged & mask == last
            ]
            self.assertEqual([sent], looked)

    def test_answers(self) -> None:
        """
        What the host, or a container, answers is remembered for each connection apart; and what was
        remembered of an earlier connection between the same ports goes before that.
        """
        found = rules(ONCE, MANY)
        jumps = [rule for rule in found if "jump answered" in rule]
        self.assertEqual(2 * ["answers", "forward"], [rule.partition(" ")[0] for rule in jumps])
        self.assertTrue(all(" daddr @onceclients" in rule for rule in jumps))
        self.assertEqual(2, len(chain("answered", found)))
        for v, rule in zip((4, 6), chain("answered", found), strict=True):
            ip = {4: "ip", 6: "ip6"}[v]
            back = f"{ip} daddr . {ip} saddr . tcp dport . tcp sport"
            number = f"{ip} daddr . {ip} saddr . tcp dport . tcp sequence"
            gone = [
                f"delete @{name}{v} {{ {back} }} " for name in ("sessions", "beginning", "spared")
            ]
            ending = f"{''.join(gone)}update @synacks{v} {{ {number} }}"
            self.assertTrue(rule.endswith(ending), rule)

    def test_several(self) -> None:
        """A door with several groups of ports has its own rules once."""
        found = rules(makeDoor(ports="22,80", once=True, name="one"), MANY)
        self.assertEqual(2, len(chain("one_first4", found)))
        groups = portGroups([makeDoor(ports="22,80", once=True, name="one"), MANY], "tcp")
        self.assertEqual(2, len(groups))
        self.assertEqual(1, sum("jump one_first4" in rule for rule in found))

    def test_none(self) -> None:
        """Without such a door there are no such rules, and no such sets."""
        text = "\n".join((*rules(MANY), *setsFor([MANY])))
        for word in ("once", "used", "synacks", "answered", "proof", "first"):
            self.assertNotIn(word, text)

    def test_sets(self) -> None:
        """A mark has no timeout: it must never end before the opening."""
        found = setsFor([ONCE])
        for v in (4, 6):
            self.assertIn("flags timeout;", found[f"one_once{v}"].definition)
            self.assertNotIn("timeout", found[f"one_used{v}"].definition)
            self.assertNotIn(f"one_open{v}", found)


class Packets:
    """
    Packets of one client, and the rules that they meet in the chains of some doors.

    @ivar sets: those that have the client.
    @ivar met: the rules that the last packet met.
    """

    def __init__(self, doors: Sequence[Door]) -> None:
        self._chains: dict[str, list[str]] = defaultdict(list)
        for rule in rules(*doors):
            name, _, text = rule.partition(" ")
            self._chains[name].append(text)
        (group,) = portGroups(doors, "tcp")
        self.first = group.onceName
        self.sets: set[str] = set()
        self.met = 0

    def open(self, door: Door, source: str = "203.0.113.9") -> None:
        """Open a door for the client."""
        opening = Opening(door, readSource(source), 30.0)
        self.sets |= {name for name, _ in lookupKeys(opening)}

    def judge(self, flags: str, chain: str = "") -> str:
        """Return the verdict of the chains, and the rule that gave it; empty if there is none."""
        self.met = 0
        return self._walk(chain or self.first, flags)

    def _walk(self, chain: str, flags: str) -> str:
        for rule in self._chains[chain]:
            self.met += 1
            if not self._applies(rule, flags):
                continue
            verdict = rule.rpartition(" ")[2]
            if "jump" in rule and "_first" not in verdict:
                if found := self._walk(verdict, flags):
                    return found
            elif verdict != "return":
                return rule
        return ""

    def _applies(self, rule: str, flags: str) -> bool:
        condition = re.match(r"tcp flags & \S+ == (\w+)", rule)
        if "tcp option" in rule or (condition and condition[1] != flags):
            return False
        looked = re.findall(r"addr (!= )?@(\w+)", rule)
        return all((name in self.sets) is not bool(negated) for negated, name in looked)


class BlockTests(SynchronousTestCase):
    """
    A thousand doors for one connection at one port.
    """

    LIMIT = 80

    def setUp(self) -> None:
        """Make them."""
        self.doors = [makeDoor(name=f"d{number}", once=True) for number in range(1000)]
        self.packets = Packets(self.doors)

    def test_each(self) -> None:
        """Each of them is found, with few rules, and only the one that is open."""
        for door in self.doors:
            for v, source in ((4, "203.0.113.9"), (6, "2001:db8::7")):
                self.packets.sets.clear()
                self.packets.open(door, source)
                for flags in ("syn", "ack"):
                    self.assertIn(f"@{door.name}_once{v} ", self.packets.judge(flags))
                    self.assertLess(self.packets.met, self.LIMIT)

    def test_answers(self) -> None:
        """The host's answers meet few rules, too, and are remembered."""
        for door in self.doors:
            self.packets.sets.clear()
            self.packets.open(door)
            found = self.packets.judge("", "answered")
            self.assertIn(f"daddr @{door.name}_once4 ", found)
            self.assertIn("update @synacks4", found)
            self.assertLess(self.packets.met, self.LIMIT)

    def test_used(self) -> None:
        """A used opening lets nobody in, and the client is told."""
        self.packets.open(self.doors[7])
        self.packets.sets.add("d7_used4")
        self.assertEqual("", self.packets.judge("syn"))
        self.assertIn("reject with tcp reset", self.packets.judge("ack"))
        self.assertIn("accept", self.packets.judge("rst"))
        self.assertLess(self.packets.met, self.LIMIT)

    def test_several(self) -> None:
        """A client with several openings uses each of them up, in whatever blocks they are."""
        some = self.doors[:40]
        for door in some:
            self.packets.open(door)
        for _ in some:
            found = re.search(r"@(d\d+)_once4", self.packets.judge("syn"))
            assert found is not None
            self.assertIn(f"jump {found[1]}_first4", self.packets.judge("ack"))
            self.packets.sets.add(f"{found[1]}_used4")
        self.assertEqual("", self.packets.judge("syn"))
