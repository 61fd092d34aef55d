"""Tests of L{pkdoors.doctor._tables} and L{pkdoors.doctor._guarding}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor._guarding import closed
from pkdoors.doctor._tables import (
    Tables,
    isGuarded,
    isGuardedForwards,
    isInGrace,
    isLost,
    lost,
    lostKnocks,
    silence,
)
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.packetfilter import _matching as matching
from pkdoors.doctor.packetfilter._elements import Elements
from pkdoors.doctor.packetfilter.packets import newPacket
from pkdoors.doctor.packetfilter.ruleset import readRuleset
from pkdoors.firewall.firewalld.zones import Exposure, Zone
from pkdoors.model.ports import PortRange, parsePortRange
from tests.fakes.rulesets import (
    ACCEPT,
    DROP,
    REJECT,
    condition,
    expression,
    joinListings,
    makeListing,
)

EQUALS = matching._equals
SSH = PortRange("tcp", 22, 22)
KNOCK = PortRange("udp", 17001, 17001)


def tables(*listings: dict[str, list[Any]], versions: tuple[int, ...] = (4, 6)) -> Tables:
    """What the kernel has."""
    return Tables(readRuleset(joinListings(*listings)), versions)


def guard(*ports: object, **how: Any) -> dict[str, list[Any]]:
    """A table that drops what is for some TCP ports, but for friends."""
    friend = [condition("ip saddr", "@open4"), ACCEPT]
    rules = [[condition("tcp dport", {"set": list(ports)}, "!="), ACCEPT], friend, [DROP]]
    return makeListing(*rules, **{"chain": "inet pkdoors guard", **how})


class InterfaceTests(SynchronousTestCase):
    """
    Tests of L{matching.isAmong} with the interface that a packet comes by.
    """

    def test_elements(self) -> None:
        """It is not loopback; anything else, of whatever shape it is listed, it may be."""
        packet = newPacket("tcp", 22, 4)
        for listed, expected in (
            (["lo"], False),
            (["lo", "eth0"], None),
            ([{"prefix": {"addr": "eth", "len": 24}}], None),
            (["lo", {"range": ["eth0", "eth9"]}], None),
        ):
            found = matching.isAmong(packet, {"meta": {"key": "iifname"}}, Elements(listed))
            self.assertIs(expected, found, listed)


class IsInGraceTests(SynchronousTestCase):
    """
    Tests of L{isInGrace}.
    """

    def test_grace(self) -> None:
        """A port that only its grace opens is guarded when that is over, and no other."""
        ports = PortRange("udp", 53, 53)
        spared = [condition("udp dport", "@grace4"), ACCEPT]
        rules = makeListing(spared, [DROP], chain="inet pkdoors input", hook="input")
        graces = {
            "nftables": [
                {"set": {"family": "inet", "table": "pkdoors", "name": "grace4", "elem": [53]}}
            ]
        }
        found = tables(rules, graces)
        self.assertFalse(isGuarded(found, ports))
        self.assertTrue(isInGrace(found, ports))
        self.assertFalse(
            isInGrace(tables(makeListing([ACCEPT], chain="inet pkdoors input")), ports)
        )


class IsGuardedTests(SynchronousTestCase):
    """
    Tests of L{isGuarded}.
    """

    def test_guarded(self) -> None:
        """What our table drops is guarded, at whichever hook."""
        for hook in ("prerouting", "input"):
            self.assertTrue(isGuarded(tables(guard(22, hook=hook)), SSH))

    def test_unguarded(self) -> None:
        """What it does not have is not, nor what another table drops, or one at another hook."""
        for listing in (
            guard(23),
            guard(22, chain="inet other guard"),
            guard(22, hook="forward"),
            guard(22, chain="ip pkdoors guard"),
        ):
            self.assertFalse(isGuarded(tables(listing), SSH), listing)
        self.assertFalse(isGuarded(tables(), SSH))

    def test_oneFamily(self) -> None:
        """Where there is no IPv6 it need not be guarded."""
        listing = guard(22, chain="ip pkdoors guard")
        self.assertTrue(isGuarded(tables(listing, versions=(4,)), SSH))

    def test_range(self) -> None:
        """All of a range must be guarded."""
        ports = parsePortRange("6000-6010")
        self.assertTrue(isGuarded(tables(guard({"range": [6000, 6010]})), ports))
        self.assertFalse(isGuarded(tables(guard(6000, 6010)), ports))
        self.assertFalse(isGuarded(tables(guard({"range": [6000, 6009]})), ports))
        self.assertTrue(isGuarded(tables(guard({"range": [1, 65535]})), parsePortRange("1-65535")))


class NewGuardTests(SynchronousTestCase):
    """
    A guard as it is now: maps lead from ports to the chains of doors, and ports that a map lacks
    are dropped.
    """

    def setUp(self) -> None:
        """Have the table, which parts can be taken out of."""
        here = {"dport": condition("tcp dport", "@tcp_ports"), "vmap": vmap("tcp dport")}
        dnat = [condition("ct status", "dnat", "in"), condition("ct direction", "original")]
        wanted = condition("ct proto-dst", "@tcp_ports")
        self.behind = [[*dnat, vmap("ct proto-dst")], [*dnat, wanted, DROP]]
        self.rules = {
            "input": [
                [condition("meta iif", "lo"), ACCEPT],
                [{"vmap": {"key": expression("meta l4proto"), "data": {"set": [["tcp", IN]]}}}],
            ],
            "tcp_in": [[here["vmap"]], [here["dport"], DROP], *self.behind],
            "forward": list(self.behind),
            "ssh_tcp": [
                [condition("ip saddr", "@ssh_open4"), ACCEPT],
                [condition("ip saddr . tcp sport", "@sessions4"), ACCEPT],
                [DROP],
            ],
        }
        self.sets: dict[str, list[Any]] = {
            "tcp_ports": [22, {"range": [6000, 6010]}],
            "tcp_doors": [[22, TO_DOOR], [{"range": [6000, 6010]}, TO_DOOR]],
            "ssh_open4": [],
            "sessions4": [],
        }

    def tables(self) -> Tables:
        """What the kernel has."""
        others = {name: rules for name, rules in self.rules.items() if name != "forward"}
        forward = makeListing(*self.rules["forward"], chain="inet pkdoors forward", hook="forward")
        inward = makeListing(
            *others.pop("input"), chain="inet pkdoors input", chains=others, sets=self.sets
        )
        return tables(inward, forward)

    def closed(self, ports: str = "22") -> tuple[bool, bool]:
        """Whether it keeps ports closed, and behind DNAT."""
        found, wanted = self.tables(), parsePortRange(ports)
        return isGuarded(found, wanted), isGuardedForwards(found, wanted)

    def test_closed(self) -> None:
        """What it has is closed in both ways, and nothing else."""
        for ports in ("22", "6000-6010"):
            self.assertEqual((True, True), self.closed(ports), ports)
        for ports in ("23", "6000-6011", "22/udp"):
            self.assertEqual((False, False), self.closed(ports), ports)

    def test_emptied(self) -> None:
        """Sets and maps alone keep nothing closed: the rules must be there."""
        for chain, expected in (
            ("input", (False, False)),
            ("tcp_in", (False, False)),
            ("ssh_tcp", (True, True)),  # then it is closed to everybody
            ("forward", (True, False)),
        ):
            rules, self.rules[chain] = self.rules[chain], []
            self.assertEqual(expected, self.closed(), chain)
            self.rules[chain] = rules

    def test_mapLacksIt(self) -> None:
        """A port that a map lacks is dropped all the same; if the set lacks it, too, it is open."""
        self.sets["tcp_doors"] = []
        self.assertEqual((True, True), self.closed())
        self.sets["tcp_ports"] = []
        self.assertEqual((False, False), self.closed())

    def test_accepted(self) -> None:
        """A rule that somebody has put in front opens it, and may if it cannot be judged."""
        for rule in ([ACCEPT], [condition("meta mark", 1), ACCEPT]):
            rules = self.rules["input"]
            self.rules["input"] = [rule, *rules]
            self.assertEqual((False, False), self.closed(), rule)
            self.rules["input"] = rules

    def test_many(self) -> None:
        """How long a port takes does not depend on how many others there are."""
        counts = []
        for count in (50, 500):
            ports = range(1000, 1000 + 2 * count, 2)
            self.sets["tcp_ports"] = list(ports)
            self.sets["tcp_doors"] = [[port, TO_DOOR] for port in ports]
            looked: list[object] = []

            def equals(*arguments: Any, looked: list[object] = looked) -> bool | None:
                looked.append(arguments)
                return EQUALS(*arguments)

            self.patch(matching, "_equals", equals)
            self.assertEqual((True, True), self.closed("1010"))
            counts.append(len(looked))
        self.assertEqual(counts[0], counts[1])

    def test_handover(self) -> None:
        """While one table replaces the other, either counts; neither is another's."""
        old, new = guard(22), guard(22, chain="inet pkdoors_handover guard")
        for listing in (old, new):
            self.assertTrue(isGuarded(tables(listing), SSH))
            self.assertFalse(isLost(tables(listing), SSH))


TO_DOOR = {"jump": {"target": "ssh_tcp"}}
IN = {"goto": {"target": "tcp_in"}}


def vmap(field: str) -> dict[str, Any]:
    """A part of a rule that leads from a port to its door."""
    return {"vmap": {"key": expression(field), "data": "@tcp_doors"}}


class LostTests(SynchronousTestCase):
    """
    Tests of L{lost}.
    """

    def lost(self, *rules: list[Any], **table: Any) -> list[Finding]:
        """What is found of one table for one knock port."""
        return list(lostKnocks(tables(makeListing(*rules, **table)), [KNOCK.first]))

    def test_certain(self) -> None:
        """What is always dropped is an error, with the command that lets it in."""
        (found,) = self.lost(policy="drop")
        self.assertEqual((ERROR, "17001/udp"), (found.level, found.subject))
        why = "knocks do not reach pkdoors"
        self.assertEqual(f"it is dropped by the firewall (inet filter input): {why}", found.text)
        self.assertIn("`nft insert rule inet filter input udp dport 17001 accept`", found.remedy)

    def test_doubt(self) -> None:
        """What may be dropped is a warning, with the command that shows the rules."""
        (found,) = self.lost([condition("meta mark", 1), ACCEPT], policy="drop")
        self.assertEqual(WARNING, found.level)
        self.assertIn("may be dropped", found.text)
        self.assertIn("`nft list chain inet filter input`", found.remedy)

    def test_none(self) -> None:
        """What is let in is nothing to tell, nor is what drops others."""
        self.assertEqual([], self.lost([condition("udp dport", 17001), ACCEPT], policy="drop"))
        self.assertEqual([], self.lost([condition("ip saddr", "10.0.0.1"), DROP]))
        self.assertEqual([], self.lost(policy="drop", hook="output"))

    def test_state(self) -> None:
        """A knock is not tracked: what lets in only new connections does not let it in."""
        port = condition("udp dport", 17001)
        for states, findings in ((["new"], 1), (["new", "untracked"], 0), (["untracked"], 0)):
            state = condition("ct state", {"set": states})
            self.assertEqual(findings, len(self.lost([state, port, ACCEPT], policy="drop")), states)
        self.assertEqual([], self.lost([condition("ct state", "invalid"), DROP]))

    def test_notOurBusiness(self) -> None:
        """Our own table, and firewalld's, are not judged here."""
        for name in ("pkdoors", "firewalld", "firewalld_policy_drop"):
            self.assertEqual([], self.lost(policy="drop", chain=f"inet {name} input"))

    def test_oneFamily(self) -> None:
        """A table of one family says so; iptables' one has iptables' remedy."""
        for family, program in (("ip", "iptables"), ("ip6", "ip6tables")):
            (found,) = self.lost(policy="drop", chain=f"{family} filter INPUT")
            self.assertIn("over IPv4" if family == "ip" else "over IPv6", found.text)
            command = f"`{program} -I INPUT -p udp --dport 17001 -j ACCEPT`"
            self.assertTrue(found.remedy.startswith(command), found.remedy)

    def test_ufw(self) -> None:
        """ufw's has ufw's."""
        chains: dict[str, list[list[Any]]] = {"ufw-user-input": []}
        (found,) = self.lost(policy="drop", chain="ip filter INPUT", chains=chains)
        self.assertEqual("`ufw allow 17001/udp`", found.remedy)

    def test_ufwInBothFamilies(self) -> None:
        """Its two tables are one finding."""
        chains: dict[str, list[list[Any]]] = {"ufw-user-input": []}
        both = [
            makeListing(policy="drop", chain=f"{each} filter INPUT", chains=chains)
            for each in ("ip", "ip6")
        ]
        (found,) = lost(tables(*both), KNOCK, "why")
        expected = "it is dropped by the firewall (ip filter INPUT, ip6 filter INPUT): why"
        self.assertEqual(expected, found.text)

    def many(self, *rules: list[Any], count: int = 20, **table: Any) -> list[Finding]:
        """What is found of one table for many knock ports, from 17000 on."""
        knocks = range(17000, 17000 + count)
        return list(lostKnocks(tables(makeListing(*rules, **{"policy": "drop", **table})), knocks))

    def test_together(self) -> None:
        """Knock ports that one chain drops are one finding, with one command for all."""
        (found,) = self.many(count=3)
        self.assertEqual((ERROR, "knock ports"), (found.level, found.subject))
        self.assertIn("datagrams to 3 of 3 knock ports are dropped by the firewall", found.text)
        command = "nft 'insert rule inet filter input udp dport { 17000, 17001, 17002 } accept'"
        self.assertTrue(found.remedy.startswith(f"`{command}`"), found.remedy)

    def test_apart(self) -> None:
        """Those that only may be dropped are another one, and those that are let in none."""
        unsure = [condition("meta mark", 1), condition("udp dport", 17001), ACCEPT]
        letIn = [condition("udp dport", 17002), ACCEPT]
        found = self.many(unsure, letIn, count=5)
        self.assertEqual(
            [(ERROR, "knock ports"), (WARNING, "17001/udp")],
            [(each.level, each.subject) for each in found],
        )
        self.assertIn("3 of 5 knock ports are dropped", found[0].text)

    def test_inPortions(self) -> None:
        """iptables and ufw take fifteen ports in one rule."""
        ports = [str(17000 + number) for number in range(20)]
        first, second = ",".join(ports[:15]), ",".join(ports[15:])
        (found,) = self.many(chain="ip filter INPUT")
        self.assertEqual(
            f"`iptables -I INPUT -p udp -m multiport --dports {first} -j ACCEPT`\n"
            f"`iptables -I INPUT -p udp -m multiport --dports {second} -j ACCEPT`, "
            "and have that saved",
            found.remedy,
        )
        (found,) = self.many(chain="ip filter INPUT", chains={"ufw-user-input": []})
        self.assertEqual(f"`ufw allow {first}/udp`\n`ufw allow {second}/udp`", found.remedy)

    def test_hooks(self) -> None:
        """What is forwarded passes the first hook only."""
        drops = tables(makeListing(policy="drop"))
        self.assertEqual([], list(lost(drops, SSH, "", hooks=["prerouting"])))

    def test_isLost(self) -> None:
        """A port is lost that is dropped for certain, over IPv4 and IPv6, at both ends."""
        ports = parsePortRange("6000-6010")
        for listing, expected in (
            (makeListing(policy="drop"), True),
            (makeListing(policy="drop", chain="ip filter input"), False),
            (makeListing([condition("meta mark", 1), ACCEPT], policy="drop"), False),
            (makeListing([condition("tcp dport", 6010), ACCEPT], policy="drop"), False),
        ):
            self.assertIs(expected, isLost(tables(listing), ports), listing)

    def test_range(self) -> None:
        """Of a range both ends are looked at, and each is told."""
        rule = [condition("tcp dport", 6000), DROP]
        (found,) = lost(tables(makeListing(rule)), parsePortRange("6000-6010"), "why")
        self.assertEqual("6000/tcp", found.subject)


class SilenceTests(SynchronousTestCase):
    """
    Tests of L{silence}.
    """

    def level(self, *rules: list[Any], targets: tuple[str, ...] = (), **table: Any) -> str:
        """How it is judged."""
        zones = [Zone(f"zone{number}", target) for number, target in enumerate(targets)]
        return silence(tables(makeListing(*rules, **table)), 61000, zones).level

    def test_dropped(self) -> None:
        """A host that drops is silent, be it at the input or the kernel's answer."""
        answer = condition("meta l4proto", {"set": ["icmp", "ipv6-icmp"]})
        self.assertEqual(OK, self.level(policy="drop"))
        self.assertEqual(OK, self.level([answer, DROP], hook="output"))

    def test_rejected(self) -> None:
        """One that rejects is not, nor one that leaves it to the kernel."""
        self.assertEqual(INFO, self.level())
        self.assertEqual(INFO, self.level([REJECT], policy="drop"))

    def test_oneFamily(self) -> None:
        """One family that is rejected is enough."""
        self.assertEqual(INFO, self.level(policy="drop", chain="ip filter INPUT"))

    def test_zones(self) -> None:
        """All zones of firewalld must drop."""
        self.assertEqual(OK, self.level(targets=("DROP", "DROP")))
        self.assertEqual(INFO, self.level(targets=("DROP", "default")))
        finding = silence(tables(), 61000, [Zone("a", "DROP"), Zone("b", "%%REJECT%%")])
        self.assertIn("zone b rejects", finding.text)
        self.assertIn("--zone=b --set-target=DROP", finding.remedy)


class ClosedTests(SynchronousTestCase):
    """
    Tests of L{closed}.
    """

    exposing = Zone("home", "default", (Exposure(SSH, "service ssh", "`this`"),))

    def closed(
        self,
        isGuarded: bool = False,
        isLost: bool = False,
        zones: list[Zone] | None = None,
        daemon: int | None = None,
    ) -> Finding:
        """What is found of a port."""
        return closed(SSH, isGuarded, isLost, zones, Daemon(daemon))

    def test_guarded(self) -> None:
        """What is guarded is well."""
        found = self.closed(isGuarded=True)
        self.assertEqual((OK, "22/tcp"), (found.level, found.subject))

    def test_forwards(self) -> None:
        """One that is guarded, but not behind DNAT, is an error."""
        found = closed(SSH, True, False, None, Daemon(77), isForwardGuarded=False)
        self.assertEqual(ERROR, found.level)
        self.assertIn("(DNAT)", found.text)
        self.assertIn("restart the daemon (`kill 77`", found.remedy)

    def test_open(self) -> None:
        """What nothing closes is an error; the remedy is to start the daemon."""
        found = self.closed()
        self.assertEqual(ERROR, found.level)
        self.assertIn("start the daemon", found.remedy)
        self.assertNotIn("kill", found.remedy)

    def test_otherOptions(self) -> None:
        """A daemon that runs without closing it must be started anew."""
        found = self.closed(daemon=77)
        self.assertIn("`kill 77`", found.remedy)

    def test_others(self) -> None:
        """What others close is a warning."""
        for found in (self.closed(isLost=True), self.closed(zones=[Zone("home", "default")])):
            self.assertEqual(WARNING, found.level)

    def test_exposed(self) -> None:
        """A zone that opens the port is named."""
        found = self.closed(zones=[self.exposing])
        self.assertEqual(ERROR, found.level)
        self.assertIn("firewalld's zone home (service ssh)", found.text)
