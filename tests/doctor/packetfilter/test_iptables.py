"""Tests of L{pkdoors.doctor.packetfilter.iptables}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.packetfilter.iptables import (
    SavedTables,
    hasMatches,
    readChains,
    selectUnclear,
    withIptables,
)
from pkdoors.doctor.packetfilter.packets import newPacket
from pkdoors.doctor.packetfilter.ruleset import Ruleset
from pkdoors.doctor.packetfilter.verdicts import findFilterFates, findUntrackingFates
from tests.doctor.rules import makeRuleset
from tests.fakes.rulesets import DROP

NOTHING = Ruleset({}, {})


def save(*rules: str, policy: str = "DROP", table: str = "filter", chains: str = "") -> str:
    """Return what C{iptables-save} prints of one table with the chain INPUT and others."""
    others = "".join(f":{name} - [0:0]\n" for name in chains.split())
    lines = "".join(f"-A {rule}\n" for rule in rules)
    return f"# Generated\n*{table}\n:INPUT {policy} [7:420]\n{others}{lines}COMMIT\n"


class FateTests(SynchronousTestCase):
    """What happens to packets in the rules of the old iptables."""

    def fate(
        self,
        *rules: str,
        port: int = 22,
        protocol: str = "tcp",
        isTracked: bool = True,
        family: str = "ip",
        **table: Any,
    ) -> str:
        """Return the verdict for a new packet, with a question mark if that is not certain."""
        saved = SavedTables(family, True, save(*(f"INPUT {rule}" for rule in rules), **table))
        version = 6 if family == "ip6" else 4
        packet = newPacket(protocol, port, version, isTracked)
        (fate,) = findFilterFates(withIptables(NOTHING, [saved]), packet, version, "input")
        isSure = fate.verdict == "accept" or fate.isLost()
        return fate.verdict + ("?" if not isSure or fate.mayBeAccepted() else "")

    def test_ports(self) -> None:
        """A port is let in alone, in a list or in a range, and by its protocol."""
        for rule in (
            "-p tcp -m tcp --dport 22 -j ACCEPT",
            "-p tcp -m tcp ! --dport 80 -j ACCEPT",
            "-p tcp -m multiport --dports 80,20:30 -j ACCEPT",
            "-p tcp -m tcp --dport :100 -j ACCEPT",
            "-p 6 -j ACCEPT",
            '-p tcp -m comment --comment "-j DROP" -m tcp --dport 22 -j ACCEPT',
            "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT",
            "-m addrtype --dst-type LOCAL -j ACCEPT",
            "! -i lo -m conntrack --ctstate NEW -j ACCEPT",
        ):
            self.assertEqual("accept", self.fate(rule), rule)
        for rule in (
            "-p udp -m udp --dport 22 -j ACCEPT",
            "-p tcp -m tcp --dport 23 -j ACCEPT",
            "-p tcp -m multiport --dports 80,443 -j ACCEPT",
            "-i lo -j ACCEPT",
            "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT",
            "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
            "-m state --state INVALID -j ACCEPT",
        ):
            self.assertEqual("drop", self.fate(rule), rule)

    def test_tracking(self) -> None:
        """A rule for new connections ignores packets that nobody tracks."""
        rule = "-p udp -m conntrack --ctstate NEW -j ACCEPT"
        self.assertEqual("accept", self.fate(rule, protocol="udp"))
        self.assertEqual("drop", self.fate(rule, protocol="udp", isTracked=False))

    def test_unsure(self) -> None:
        """A rule for some clients, or for what is unknown here, decides nothing."""
        for rule in ("-s 10.0.0.0/8 -j DROP", "-m limit --limit 5/sec -j DROP", "-m set -j DROP"):
            self.assertEqual("accept", self.fate(rule, policy="ACCEPT"), rule)
        for rule in (
            "-i eth0 -j ACCEPT",
            "-i eth+ -j ACCEPT",
            "-d 192.0.2.1/32 -j ACCEPT",
            "-m quux --level 3 --deep -j ACCEPT",
            "! -s 10.0.0.0/8 -j ACCEPT",
            "-m set ! --match-set banned src -j ACCEPT",
            "-m mark --mark 0x1/0xff -j ACCEPT",
            "-f -j ACCEPT",
        ):
            self.assertEqual("drop?", self.fate(rule), rule)

    def test_friends(self) -> None:
        """A rule for one address is known as such, with the mask that iptables prints."""
        for family, version, rule, expected in (
            ("ip", 4, "-s 192.0.2.1/32 -j ACCEPT", (True, True)),
            ("ip6", 6, "-s 2001:db8::1/128 -j ACCEPT", (True, True)),
            ("ip", 4, "-s 192.0.2.0/24 -j ACCEPT", (False, True)),
            ("ip", 4, "-m limit --limit 5/sec -j ACCEPT", (False, False)),
        ):
            saved = SavedTables(family, True, save(f"INPUT {rule}"))
            packet = newPacket("tcp", 22, version)
            (fate,) = findFilterFates(withIptables(NOTHING, [saved]), packet, version, "input")
            self.assertEqual(expected, (fate.isLostToStrangers(), fate.isLostToMost()), rule)

    def test_targets(self) -> None:
        """Targets that decide nothing are passed, and chains are walked, whatever their names."""
        self.assertEqual(
            "reject",
            self.fate(
                '-j LOG --log-prefix "x -j ACCEPT"', "-j REJECT --reject-with icmp-port-unreachable"
            ),
        )
        saved = save("INPUT -j DROPPED", "DROPPED -p udp -j ACCEPT", chains="DROPPED")
        ruleset = withIptables(NOTHING, [SavedTables("ip", True, saved)])
        for protocol, verdict in (("udp", "accept"), ("tcp", "drop")):
            (fate,) = findFilterFates(ruleset, newPacket(protocol, 22, 4), 4, "input")
            self.assertEqual(verdict, fate.verdict)

    def test_families(self) -> None:
        """IPv6 has tables of its own, and its own name of ICMP."""
        self.assertEqual("accept", self.fate("-p tcp -j ACCEPT", family="ip6"))
        self.assertEqual("drop", self.fate("-p ipv6-icmp -j ACCEPT", family="ip6"))

    def test_notrack(self) -> None:
        """C{CT --notrack} is seen, and other uses of C{CT} are not taken for it."""
        for option, count in (("--notrack", 1), ("--zone 5", 0)):
            text = f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT {option}\nCOMMIT\n"
            ruleset = withIptables(NOTHING, [SavedTables("ip", True, text)])
            packet = newPacket("tcp", 22, 4)
            found = list(findUntrackingFates(ruleset, packet, 4, "prerouting"))
            self.assertEqual(count, len(found), option)


class ReadTests(SynchronousTestCase):
    """How the tables are read."""

    def test_newIptables(self) -> None:
        """Rules that nft shows only in part are replaced, if both see the same ones."""
        unclear = [{"xt": {"type": "match", "name": "conntrack"}}, DROP]
        ruleset = makeRuleset(unclear, chain="ip filter INPUT")
        self.assertTrue(hasMatches(ruleset))
        self.assertFalse(hasMatches(makeRuleset([DROP])))
        rule = "INPUT -m conntrack --ctstate INVALID -j DROP"
        for rules, isRead in (((rule,), True), ((rule, rule), False), ((), False)):
            saved = SavedTables("ip", False, save(*rules))
            found = withIptables(ruleset, [saved])
            self.assertEqual(not isRead, hasMatches(found))
            self.assertEqual(ruleset.chains.keys(), found.chains.keys())

    def test_strange(self) -> None:
        """A chain with a rule that cannot be read is left out, and the others are not."""
        for strange in (
            'INPUT -m comment --comment "',
            "INPUT -p",
            "INPUT -m tcp --dport x -j DROP",
        ):
            saved = SavedTables("ip", True, save(strange, "other -j DROP", chains="other"))
            self.assertEqual(["other"], [chain.name[2] for chain in readChains(saved)], strange)
        self.assertEqual([], list(readChains(SavedTables("ip", True, "# nothing\n"))))

    def test_unclear(self) -> None:
        """Tables of the old iptables that could not be read are unclear, and so is forwarding."""
        tables = [("filter", "iptables-legacy -S"), ("nat", "ip6tables-legacy -t nat -S")]
        self.assertEqual(tables, list(selectUnclear(NOTHING, tables)))
        read = [
            SavedTables("ip", True, save()),
            SavedTables("ip6", True, save("INPUT -j DNAT --to-destination [::1]:5", table="nat")),
        ]
        self.assertEqual(tables[1:], list(selectUnclear(withIptables(NOTHING, read), tables)))
