"""Tests of L{pkdoors.doctor._tables}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._tables import isLost, judgeDrops, judgeKnockDrops, judgeScans
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.model.ports import PortRange, parsePortRange
from tests.doctor.rules import makeTables
from tests.fakes.rulesets import ACCEPT, DROP, REJECT, condition, makeListing

SSH = PortRange("tcp", 22, 22)
KNOCK = PortRange("udp", 17001, 17001)


class DropTests(SynchronousTestCase):
    """
    Tests of L{judgeDrops} and L{judgeKnockDrops}.
    """

    def lost(self, *rules: list[Any], **table: Any) -> list[Finding]:
        """Return what is found about one table for one knock port."""
        return list(judgeKnockDrops(makeTables(makeListing(*rules, **table)), [KNOCK.first]))

    def test_beforeCapture(self) -> None:
        """If the guard captures knocks, only what comes before it can drop them."""
        for hook, priority, level in (
            ("input", -400, ""),
            ("prerouting", -300, ""),
            ("prerouting", -304, ""),
            ("prerouting", -305, ERROR),
            ("prerouting", -400, ERROR),
            ("ingress", 0, WARNING),
        ):
            listing = makeListing(hook=hook, priority=priority, policy="drop")
            found = list(judgeKnockDrops(makeTables(listing), [KNOCK.first], isCaptured=True))
            levels = [finding.level for finding in found]
            self.assertEqual([level] if level else [], levels, (hook, priority))
            self.assertTrue(all("pkdoors does not hear them" in each.text for each in found))

    def test_ingress(self) -> None:
        """A chain at ingress may be for another interface: that it drops is not certain."""
        for family in ("netdev", "inet"):
            listing = {"hook": "ingress", "chain": f"{family} filter input"}
            (found,) = self.lost([condition("udp dport", 17001), DROP], **listing)
            self.assertEqual(WARNING, found.level)
            self.assertIn(f"may drop it ({family} filter input)", found.text)
            self.assertEqual([], self.lost([condition("udp dport", 1), DROP], **listing))

    def test_certain(self) -> None:
        """A certain drop is an error, with the command that lets the port in."""
        (found,) = self.lost(policy="drop")
        self.assertEqual((ERROR, "17001/udp"), (found.level, found.subject))
        effect = "knocks do not reach pkdoors"
        self.assertEqual(f"the firewall drops it (inet filter input): {effect}", found.text)
        self.assertIn("`nft insert rule inet filter input udp dport 17001 accept`", found.remedy)

    def test_doubt(self) -> None:
        """A possible drop is a warning, with the command that shows the rules."""
        (found,) = self.lost([condition("meta mark", 1), ACCEPT], policy="drop")
        self.assertEqual(WARNING, found.level)
        self.assertIn("may drop it", found.text)
        self.assertIn("`nft list chain inet filter input`", found.remedy)

    def test_none(self) -> None:
        """A knock port that is let in is not reported, nor are rules that drop other packets."""
        self.assertEqual([], self.lost([condition("udp dport", 17001), ACCEPT], policy="drop"))
        self.assertEqual([], self.lost([condition("ip saddr", "10.0.0.1"), DROP]))
        self.assertEqual([], self.lost(policy="drop", hook="output"))

    def test_state(self) -> None:
        """Knocks are not tracked: a rule that lets in only new connections drops them."""
        port = condition("udp dport", 17001)
        for states, findings in ((["new"], 1), (["new", "untracked"], 0), (["untracked"], 0)):
            state = condition("ct state", {"set": states})
            self.assertEqual(findings, len(self.lost([state, port, ACCEPT], policy="drop")), states)
        self.assertEqual([], self.lost([condition("ct state", "invalid"), DROP]))

    def test_notOurBusiness(self) -> None:
        """Our own table and firewalld's are not judged here."""
        for name in ("pkdoors", "firewalld", "firewalld_policy_drop"):
            self.assertEqual([], self.lost(policy="drop", chain=f"inet {name} input"))

    def test_oneFamily(self) -> None:
        """The finding names the family of a table; iptables' tables have iptables' remedy."""
        for family, program in (("ip", "iptables"), ("ip6", "ip6tables")):
            (found,) = self.lost(policy="drop", chain=f"{family} filter INPUT")
            self.assertIn("over IPv4" if family == "ip" else "over IPv6", found.text)
            command = f"`{program} -I INPUT -p udp --dport 17001 -j ACCEPT`"
            self.assertTrue(found.remedy.startswith(command), found.remedy)

    def test_ufw(self) -> None:
        """ufw's tables have ufw's remedy."""
        chains: dict[str, list[list[Any]]] = {"ufw-user-input": []}
        (found,) = self.lost(policy="drop", chain="ip filter INPUT", chains=chains)
        self.assertEqual("`ufw allow 17001/udp`", found.remedy)

    def test_ufwElsewhere(self) -> None:
        """If another table drops the port, ufw's command is not the remedy."""
        chains: dict[str, list[list[Any]]] = {"ufw-user-input": []}
        beside = makeListing(chain="ip filter INPUT", chains=chains), makeListing(policy="drop")
        (found,) = judgeDrops(makeTables(*beside), KNOCK, "why")
        self.assertIn("`nft insert rule inet filter input udp dport 17001", found.remedy)

    def test_ufwInBothFamilies(self) -> None:
        """ufw's two tables are one finding."""
        chains: dict[str, list[list[Any]]] = {"ufw-user-input": []}
        both = [
            makeListing(policy="drop", chain=f"{family} filter INPUT", chains=chains)
            for family in ("ip", "ip6")
        ]
        (found,) = judgeDrops(makeTables(*both), KNOCK, "effect")
        expected = "the firewall drops it (ip filter INPUT, ip6 filter INPUT): effect"
        self.assertEqual(expected, found.text)

    def many(self, *rules: list[Any], count: int = 20, **table: Any) -> list[Finding]:
        """Return what is found about one table for many knock ports, from 17000 on."""
        knocks = range(17000, 17000 + count)
        return list(
            judgeKnockDrops(makeTables(makeListing(*rules, **{"policy": "drop", **table})), knocks)
        )

    def test_together(self) -> None:
        """Knock ports that one chain drops are one finding, with one command for all."""
        (found,) = self.many(count=3)
        self.assertEqual((ERROR, "knock ports"), (found.level, found.subject))
        self.assertIn("the firewall drops datagrams to 3 of 3 knock ports", found.text)
        command = "nft 'insert rule inet filter input udp dport { 17000, 17001, 17002 } accept'"
        self.assertTrue(found.remedy.startswith(f"`{command}`"), found.remedy)

    def test_apart(self) -> None:
        """Possible drops are a finding of their own; ports that are let in have none."""
        unsure = [condition("meta mark", 1), condition("udp dport", 17001), ACCEPT]
        letIn = [condition("udp dport", 17002), ACCEPT]
        found = self.many(unsure, letIn, count=5)
        self.assertEqual(
            [(ERROR, "knock ports"), (WARNING, "17001/udp")],
            [(finding.level, finding.subject) for finding in found],
        )
        self.assertIn("drops datagrams to 3 of 5 knock ports", found[0].text)

    def test_inPortions(self) -> None:
        """iptables and ufw take fifteen ports in one rule."""
        ports = [str(17000 + number) for number in range(20)]
        first, second = ",".join(ports[:15]), ",".join(ports[15:])
        (found,) = self.many(chain="ip filter INPUT")
        self.assertEqual(
            f"`iptables -I INPUT -p udp -m multiport --dports {first} -j ACCEPT && "
            f"iptables -I INPUT -p udp -m multiport --dports {second} -j ACCEPT`, "
            "and save the rules",
            found.remedy,
        )
        (found,) = self.many(chain="ip filter INPUT", chains={"ufw-user-input": []})
        self.assertEqual(f"`ufw allow {first}/udp && ufw allow {second}/udp`", found.remedy)

    def test_friends(self) -> None:
        """A chain that spares single addresses drops for certain; one that spares more may."""
        port = condition("udp dport", 17001)
        (found,) = self.lost([condition("ip saddr", "10.0.0.1"), port, ACCEPT], policy="drop")
        self.assertEqual(ERROR, found.level)
        friends = "drops it, except from the addresses that its rules name (inet filter input)"
        self.assertIn(friends, found.text)
        self.assertIn("udp dport 17001 accept`", found.remedy)
        lan = {"prefix": {"addr": "10.0.0.0", "len": 8}}
        rules = makeListing([condition("ip saddr", lan), port, ACCEPT], policy="drop")
        (found,) = judgeKnockDrops(makeTables(rules, versions=(4,)), [KNOCK.first])
        self.assertEqual(WARNING, found.level)

    def test_notKept(self) -> None:
        """Before somebody keeps the daemon, no rule that lets a port in may outlive the guard."""
        ufw: dict[str, list[list[Any]]] = {"ufw-user-input": []}
        for chain, chains, last in (
            ("ip filter INPUT", {}, "; save the rules only once you keep pkdoors"),
            ("inet filter input", {}, "; add the rule to the file that the chain comes from only "),
            ("ip filter INPUT", ufw, "; ufw saves that at once: if you do not "),
        ):
            tables = makeTables(makeListing(policy="drop", chain=chain, chains=chains))
            for isGuarded in (False, True):
                (found,) = judgeDrops(tables, SSH, "why", isKept=False, isGuarded=isGuarded)
                self.assertIn(f"`{last}", found.remedy)
                isLater = found.remedy.startswith("once the daemon runs, but not before")
                self.assertEqual(not isGuarded, isLater)
            (found,) = judgeKnockDrops(tables, [17001], isKept=False)
            self.assertIn(f"`{last}", found.remedy)
            (found,) = judgeKnockDrops(tables, [17001])
            self.assertNotIn("keep", found.remedy)

    def test_hooks(self) -> None:
        """Forwarded packets pass only the first hook."""
        drops = makeTables(makeListing(policy="drop"))
        self.assertEqual([], list(judgeDrops(drops, SSH, "", hooks=["prerouting"])))

    def test_isLost(self) -> None:
        """A port is lost if all packets to both its ends are dropped, over IPv4 and IPv6."""
        ports = parsePortRange("6000-6010")
        for listing, expected in (
            (makeListing(policy="drop"), True),
            (makeListing(policy="drop", chain="ip filter input"), False),
            (makeListing([condition("meta mark", 1), ACCEPT], policy="drop"), False),
            (makeListing([condition("tcp dport", 6010), ACCEPT], policy="drop"), False),
        ):
            self.assertIs(expected, isLost(makeTables(listing), ports), listing)

    def test_range(self) -> None:
        """Both ends of a range are judged and reported."""
        rule = [condition("tcp dport", 6000), DROP]
        (found,) = judgeDrops(makeTables(makeListing(rule)), parsePortRange("6000-6010"), "effect")
        self.assertEqual("6000/tcp", found.subject)


class ScanTests(SynchronousTestCase):
    """
    Tests of L{judgeScans}.
    """

    def level(self, *rules: list[Any], targets: tuple[str, ...] = (), **table: Any) -> str:
        """Return the level of the finding."""
        zones = [Zone(f"zone{number}", target) for number, target in enumerate(targets)]
        return judgeScans(makeTables(makeListing(*rules, **table)), 61000, zones).level

    def test_dropped(self) -> None:
        """A host is silent if it drops the datagram, or the kernel's answer."""
        answer = condition("meta l4proto", {"set": ["icmp", "ipv6-icmp"]})
        self.assertEqual(OK, self.level(policy="drop"))
        self.assertEqual(OK, self.level([answer, DROP], hook="output"))

    def test_rejected(self) -> None:
        """A host that rejects is not silent, nor one that leaves it to the kernel."""
        self.assertEqual(INFO, self.level())
        self.assertEqual(INFO, self.level([REJECT], policy="drop"))

    def test_oneFamily(self) -> None:
        """A host that rejects over one family is not silent."""
        self.assertEqual(INFO, self.level(policy="drop", chain="ip filter INPUT"))

    def test_zones(self) -> None:
        """All zones of firewalld must drop."""
        self.assertEqual(OK, self.level(targets=("DROP", "DROP")))
        self.assertEqual(INFO, self.level(targets=("DROP", "default")))
        finding = judgeScans(makeTables(), 61000, [Zone("a", "DROP"), Zone("b", "%%REJECT%%")])
        self.assertIn("zone b rejects", finding.text)
        self.assertIn("--zone=b --set-target=DROP", finding.remedy)
