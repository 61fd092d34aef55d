"""Tests of L{pkdoors.doctor.check}, and of L{pkdoors.doctor.facts}: the firewalls of a host."""

from typing import Any

from pkdoors.config.config import CONF_FILE
from pkdoors.doctor._guard import GuardState
from pkdoors.doctor.findings import ERROR, INFO, WARNING
from pkdoors.doctor.judges.knocks import SCANNED
from pkdoors.doctor.packetfilter.savedrules import SavedFile
from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.zones import Exposure, Zone
from pkdoors.host.procnet import BOUND, LISTENS, Socket
from pkdoors.model.ports import PortRange
from tests.doctor.case import (
    FILTER,
    GUARD,
    LET_KNOCKS_IN,
    LETS_IN,
    SEQUENCE,
    CheckTestCase,
    FakeProc,
    look,
)
from tests.fakes.rulesets import ACCEPT, condition, joinListings, makeListing


class NftablesTests(CheckTestCase):
    """
    Tests of a host with nftables alone.
    """

    def test_noGuard(self) -> None:
        """Without the guard, everybody can reach a port that another table lets in."""
        self.assertEqual([(ERROR, "22/tcp")], self.bad(tables=joinListings(FILTER)))

    def test_guardOfAnother(self) -> None:
        """Everybody can reach a port that the guard does not have, although another is closed."""
        found = self.bad(ports="22,80", tables=joinListings(GUARD))
        self.assertEqual([(ERROR, "80/tcp"), (WARNING, "80/tcp"), (INFO, "scans")], found)

    def test_closedByOthers(self) -> None:
        """A port that others drop is not open, but a knock opens nothing."""
        drops = makeListing(LET_KNOCKS_IN, policy="drop")
        expected = [(WARNING, "22/tcp"), (ERROR, "22/tcp")]
        self.assertEqual(expected, self.bad(tables=joinListings(drops)))

    def test_leftByOther(self) -> None:
        """A rule that another program has left for one client opens the port to nobody else."""
        friend = [condition("ip saddr", "192.0.2.7"), condition("tcp dport", 22), ACCEPT]
        drops = makeListing(friend, LET_KNOCKS_IN, policy="drop")
        closed, opensNothing = (WARNING, "22/tcp"), (ERROR, "22/tcp")
        self.assertEqual([closed, opensNothing], self.bad(tables=joinListings(drops)))
        self.assertEqual([opensNothing], self.bad(tables=joinListings(GUARD, drops)))

    def test_onTrial(self) -> None:
        """While nobody has kept the daemon, or the port is not guarded, the remedy says so."""
        drops = makeListing(LET_KNOCKS_IN, policy="drop")
        keep, later = "only once you keep pkdoors", "once the daemon runs, but not before"
        for tables, facts, isKept, isGuarded in (
            (joinListings(GUARD, drops), {}, True, True),
            (joinListings(GUARD, drops), {"isOnTrial": True}, False, True),
            (joinListings(drops), {"holder": None}, False, False),
        ):
            found = look(tables=tables, **facts)
            (drop,) = (one for one in found if "the firewall drops it" in one.text)
            self.assertEqual(
                (not isKept, not isGuarded), (keep in drop.remedy, later in drop.remedy)
            )

    def test_nobodyListens(self) -> None:
        """A port on which no program listens is a warning."""
        proc = FakeProc()
        proc.tcp = []
        self.assertEqual([(WARNING, "22/tcp")], self.bad(proc))

    def test_forwarded(self) -> None:
        """If a port is forwarded, no program must listen on it, and no table let it in."""
        proc = FakeProc()
        proc.tcp = []
        rule = [condition("tcp dport", 22), {"dnat": {"addr": "10.0.0.2"}}]
        nat = makeListing(rule, kind="nat", hook="prerouting", chain="inet nat pre")
        knocks = makeListing(LET_KNOCKS_IN, policy="drop")
        self.assertEqual([], self.bad(proc, tables=joinListings(GUARD, nat, knocks)))

    def test_knockPortTaken(self) -> None:
        """A knock port that another process has is an error."""
        proc = FakeProc()
        proc.owner = 5
        proc.udp = proc.udp[:1]
        expected = [(WARNING, "daemon"), (WARNING, "guard"), (ERROR, "17001/udp")]
        self.assertEqual(expected, self.bad(proc, holder=None))

    def test_knockPortOfTheKernel(self) -> None:
        """The kernel may have a port itself, as with WireGuard: root sees that, too."""
        proc = FakeProc()
        proc.udp.append(Socket(17001, BOUND, 999, "00000000", "00000000:0000"))
        self.assertEqual([(ERROR, "17001/udp")], self.bad(proc))

    def test_knockPortDropped(self) -> None:
        """If another table drops knocks, that is one finding for all."""
        drops = makeListing([condition("tcp dport", 22), ACCEPT], policy="drop")
        found = self.bad(tables=joinListings(GUARD, drops))
        self.assertEqual([(ERROR, "knock ports")], found)

    def test_loud(self) -> None:
        """A host that rejects datagrams to other UDP ports is worth knowing."""
        self.assertEqual([(INFO, "scans")], self.bad(tables=joinListings(GUARD)))

    def test_scannedPort(self) -> None:
        """The check judges scans by a free port."""
        letIn = [condition("udp dport", SCANNED[0]), ACCEPT]
        theirs = makeListing(letIn, *LETS_IN, policy="drop")
        proc = FakeProc()
        self.assertEqual([(INFO, "scans")], self.bad(tables=joinListings(GUARD, theirs)))
        proc.udp.append(Socket(SCANNED[0], BOUND, 999, "00000000", "00000000:0000"))
        self.assertEqual([], self.bad(proc, tables=joinListings(GUARD, theirs)))

    def test_service(self) -> None:
        """An nftables service that flushes is a finding."""
        files = [("/etc/nftables.conf", "flush ruleset")]
        service = {"nftablesFiles": files, "isOn": True}
        self.assertEqual([(INFO, "nftables.service")], self.bad(**service))
        found = self.bad(**service, guard=GuardState())
        self.assertEqual([(INFO, "guard"), (INFO, "nftables.service")], found)
        # Somebody else's ownership protects nothing.
        self.assertIn((WARNING, "nftables.service"), self.bad(**service, holder=None))

    def test_savedRules(self) -> None:
        """A saved ruleset with our table is an error."""
        files = [SavedFile("/etc/nftables.conf", "table inet pkdoors {\n}\n")]
        self.assertEqual([(ERROR, "saved rules")], self.bad(savedFiles=files))

    def test_cookies(self) -> None:
        """SYN cookies for every SYN are a warning."""
        proc = FakeProc()
        proc.syncookies = 2
        self.assertEqual([(WARNING, "SYN cookies")], self.bad(proc))
        self.assertEqual(
            [], [found for found in self.bad(proc, ports="53/udp") if "SYN" in found[1]]
        )

    def test_legacy(self) -> None:
        """Ports that the old iptables may forward are a warning."""
        proc = FakeProc()
        proc.legacy = [("nat", "iptables-legacy -t nat -S")]
        self.assertEqual([(WARNING, "iptables")], self.bad(proc))
        for rules, found in (("", []), ("-A PREROUTING -j DNAT\n", [(WARNING, "iptables")])):
            saved = [("ip", f"*nat\n:PREROUTING ACCEPT [0:0]\n{rules}COMMIT\n")]
            self.assertEqual(found, self.bad(proc, saveIptables=saved))

    def test_legacyFilter(self) -> None:
        """The rules of the old iptables are judged like all others."""
        proc = FakeProc()
        proc.legacy = [("filter", "iptables-legacy -t filter -S")]
        rules = ":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
        saved = [("ip", f"*filter\n{rules}COMMIT\n")]
        self.assertEqual([(ERROR, "knock ports")], self.bad(proc, saveIptables=saved))

    def test_guard(self) -> None:
        """A guard that others can flush does not change the exit status."""
        self.assertEqual([(INFO, "guard")], self.bad(guard=GuardState()))
        error = FirewallError("it does not answer: try again")
        self.assertEqual([(ERROR, "guard")], self.bad(guard=error))
        asked = AssertionError("asked")
        self.assertEqual([(ERROR, "nftables")], self.bad(tables=FirewallError("a: b"), guard=asked))

    def test_notrack(self) -> None:
        """Rules against tracking are a finding about the protected port."""
        rule = [condition("tcp dport", 22), {"notrack": None}]
        raw = makeListing(rule, chain="inet other pre", hook="prerouting")
        raw["nftables"][2]["chain"]["prio"] = -300
        found = {"tables": joinListings(GUARD, FILTER, raw)}
        self.assertEqual([(INFO, "22/tcp")], self.bad(**found))
        cut = {"hooks": {"cutSessions": True}}
        self.assertEqual([(WARNING, "22/tcp")], self.bad(**found, **cut))

    def test_redirected(self) -> None:
        """A port that is redirected to another is a finding if that one is open."""
        rule = [condition("tcp dport", 22), {"redirect": {"port": 2200}}]
        nat = makeListing(rule, kind="nat", hook="prerouting", chain="inet nat pre")
        knocks = makeListing(LET_KNOCKS_IN, [condition("tcp dport", 2200), ACCEPT], policy="drop")
        proc = FakeProc()
        for theirs, here, found in (
            (knocks, "00000000", [(WARNING, "22/tcp")]),
            (knocks, "0100007F", []),
            (FILTER, "00000000", []),
        ):
            proc.tcp = [Socket(2200, LISTENS, 1, here, "00000000:0000")]
            self.assertEqual(found, self.bad(proc, tables=joinListings(GUARD, theirs, nat)), here)
        proc.tcp = []
        self.assertEqual([], self.bad(proc, tables=joinListings(GUARD, knocks, nat)))

    def test_offloaded(self) -> None:
        """A flowtable matters for ports that are forwarded and cut."""
        dnat = [condition("tcp dport", 22), {"dnat": {"addr": "10.0.0.2"}}]
        flow = [{"flow": {"op": "add", "flowtable": "@f"}}]
        nat = makeListing(dnat, kind="nat", hook="prerouting", chain="inet nat pre")
        table = makeListing(flow, hook="forward", chain="inet flows forward")
        facts = {"tables": joinListings(GUARD, FILTER, nat, table)}
        self.assertEqual([], self.bad(**facts))
        cut = {"hooks": {"cutSessions": True}}
        self.assertEqual([(WARNING, "22/tcp")], self.bad(**facts, **cut))


class FirewalldTests(CheckTestCase):
    """
    Tests of a host with firewalld.
    """

    zone = Zone("public", "DROP", rules=tuple(map(knockRule, SEQUENCE)))

    def firewalld(self, zone: Any = zone, **facts: Any) -> list[tuple[str, str]]:
        """Return what is wrong on a host with firewalld."""
        zones = [zone] if isinstance(zone, Zone) else zone
        theirs = makeListing(policy="drop", chain="inet firewalld filter_INPUT")
        tables = joinListings(GUARD, theirs)
        return self.bad(**{"tables": tables, "isFirewalldThere": True, "zones": zones, **facts})

    def test_well(self) -> None:
        """On a host without faults nothing else is found; firewalld's own table is not judged."""
        self.assertEqual([], self.firewalld())

    def test_missing(self) -> None:
        """A firewalld that is wanted and does not run is an error."""
        self.assertEqual([(ERROR, "firewall")], self.bad(options={"firewall": "firewalld"}))

    def test_bindingsMissing(self) -> None:
        """Missing bindings are an error if firewalld is wanted, or may be."""
        error = FirewallError("python-firewall is missing: install python3-firewall")
        self.assertEqual([(ERROR, "firewall")], self.bad(isFirewalldThere=error))
        options = {"firewall": "nftables"}
        self.assertEqual([], self.bad(isFirewalldThere=error, options=options))

    def test_hangs(self) -> None:
        """A firewalld that does not answer is an error, and its zones are not judged."""
        error = FirewallError("firewalld did not answer: restart it")
        self.assertEqual([(ERROR, "zones")], self.firewalld(error))

    def test_exposed(self) -> None:
        """A zone that opens the port is an error without the guard. With it, it matters only until
        the daemon starts: not at all for a service that starts at boot."""
        exposure = Exposure(PortRange("tcp", 22, 22), "service ssh", "`this`")
        zone = Zone("public", "DROP", (exposure,), self.zone.rules)
        self.assertEqual([(INFO, "22/tcp")], self.firewalld(zone))
        service = {"isService": True, "conf": CONF_FILE, "mayService": True}
        self.assertEqual([], self.firewalld(zone, **service))
        found = self.firewalld(zone, **service, startsAtBoot=False)
        self.assertEqual([(WARNING, "daemon"), (INFO, "22/tcp")], found)
        self.assertEqual([(ERROR, "22/tcp")], self.firewalld(zone, tables=joinListings()))

    def test_knocksShutOut(self) -> None:
        """Missing rules of the daemon are an error."""
        self.assertEqual([(ERROR, "knock ports")], self.firewalld(Zone("public", "DROP")))

    def test_notReloaded(self) -> None:
        """Rules that a zone lacks because of a changed file are not reported again."""
        proc = FakeProc()
        proc.udp = proc.udp[:2]
        zone = Zone("public", "DROP", rules=tuple(map(knockRule, SEQUENCE[:2])))
        found = self.firewalld(zone, proc=proc, conf=CONF_FILE)
        self.assertEqual([(ERROR, "daemon")], found)

    def test_beside(self) -> None:
        """With nftables, the zone must let knocks and the port in by itself."""
        found = self.firewalld(Zone("public", "DROP"), options={"firewall": "nftables"})
        ports = ["knock ports", "22/tcp"]
        self.assertEqual([(WARNING, "firewall"), *((ERROR, subject) for subject in ports)], found)

    def test_besideOpen(self) -> None:
        """A zone that lets them in is no fault."""
        zone = Zone("public", "DROP", (Exposure(None, "a rule", "`this`"),))
        found = self.firewalld(zone, options={"firewall": "nftables"})
        self.assertEqual([(WARNING, "firewall")], found)

    def test_redirected(self) -> None:
        """A port that firewalld redirects is a finding if a zone opens the port behind it."""
        rule = [condition("tcp dport", 22), {"redirect": {"port": 2200}}]
        nat = makeListing(rule, kind="nat", hook="prerouting", chain="inet firewalld nat_PRE")
        facts: dict[str, Any] = {"tables": joinListings(GUARD, nat), "proc": FakeProc()}
        facts["proc"].tcp.append(Socket(2200, LISTENS, 1, "00000000", "00000000:0000"))
        self.assertEqual([], self.firewalld(**facts))
        exposure = Exposure(PortRange("tcp", 2200, 2200), "port 2200/tcp", "`this`")
        zone = Zone("public", "DROP", (exposure,), self.zone.rules)
        self.assertEqual([(WARNING, "22/tcp")], self.firewalld(zone, **facts))

    def test_loud(self) -> None:
        """A zone that rejects is worth knowing."""
        zone = Zone("public", "default", rules=self.zone.rules)
        self.assertEqual([(INFO, "scans")], self.firewalld(zone))
