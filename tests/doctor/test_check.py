"""Tests of L{pkdoors.doctor.check} and of the command, C{pkdoors check}."""

import json
from collections.abc import Callable, Container
from pathlib import Path
from sysconfig import get_path
from typing import Any

from pkdoors.config.config import CONF_FILE, Config
from pkdoors.config.keyfile import KeyFileError
from pkdoors.doctor import check
from pkdoors.doctor._ownership import GuardState
from pkdoors.doctor.check import SCANNED, Check, Host
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.packetfilter.savedrules import Saved
from pkdoors.errors import FirewallError
from pkdoors.files.trust import Flaw
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.zones import Exposure, Zone
from pkdoors.host.proc import Owner, Proc
from pkdoors.host.procnet import BOUND, LISTENS, Socket
from pkdoors.model.ports import PortRange
from pkdoors.model.sequence import PUBLIC_PORTS
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.rulesets import ACCEPT, DROP, condition, joinListings, makeListing
from tests.test_cli import CommandTestCase, End

DAEMON = 77
ROOT, NOBODY = "CapEff:\t000001ffffffffff\n", "CapEff:\t0000000000000000\n"
SEQUENCE = (*PORTS, 17009)
GUARD = makeListing(
    [condition("tcp dport", 22), DROP], chain="inet pkdoors guard", hook="prerouting"
)
LET_KNOCKS_IN = [condition("udp dport", {"range": [17000, 17999]}), ACCEPT]
LETS_IN = [LET_KNOCKS_IN, [condition("tcp dport", 22), ACCEPT]]
FILTER = makeListing(*LETS_IN, policy="drop")


class FakeProc(Proc):
    """
    A host on which all is well.

    @ivar privilege: the process' status.
    """

    def __init__(self) -> None:
        self.privilege = ROOT
        self.tcp = [Socket(22, LISTENS, 1, "00000000", "00000000:0000")]
        self.udp = [Socket(port, BOUND, port, "00000000", "00000000:0000") for port in SEQUENCE]
        self.owner = DAEMON
        self.isIPv6On = True
        self.syncookies = 1
        self.legacy: list[tuple[str, str]] = []

    def status(self) -> str:
        """See L{Proc.status}."""
        return self.privilege

    def sockets(self, protocol: str) -> list[Socket]:
        """See L{Proc.sockets}."""
        return {"tcp": self.tcp, "udp": self.udp}[protocol]

    def owners(self, inodes: Container[int]) -> dict[int, Owner]:
        """See L{Proc.owners}."""
        if self.privilege == NOBODY:
            return {}
        return {port: Owner(self.owner, "twistd") for port in SEQUENCE if port in inodes}

    def hasIPv6(self) -> bool:
        """See L{Proc.hasIPv6}."""
        return self.isIPv6On

    def tracked(self) -> tuple[int, int] | None:
        """See L{Proc.tracked}."""
        return 5, 1000

    def cookies(self) -> int:
        """See L{Proc.cookies}."""
        return self.syncookies

    def legacyTables(self) -> list[tuple[str, str]]:
        """See L{Proc.legacyTables}."""
        return self.legacy


def giving(result: Any) -> Callable[..., Any]:
    """A function that gives this, or raises it."""

    def function(*arguments: object) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    return function


def look(
    proc: FakeProc | None = None,
    options: dict[str, Any] | None = None,
    ports: str = "22",
    authorizedKeys: str = "",
    sequence: tuple[int, ...] = SEQUENCE,
    conf: str = "",
    hooks: dict[str, Any] | None = None,
    **facts: Any,
) -> list[Finding]:
    """What is found where all is well but for some facts."""
    known: dict[str, Any] = {
        "holder": DAEMON,
        "tables": joinListings(GUARD, FILTER),
        "isFirewalldThere": False,
        "zones": AssertionError("there is no firewalld"),
        "guard": GuardState(isOwned=True),
        "savedFiles": [],
        "nftablesFiles": [],
        "isOn": False,
        "isService": False,
        "isThere": True,
        "troubles": [],
        "hookFlaw": None,
        "codeFlaw": None,
        **facts,
    }
    host = Host(proc or FakeProc(), **{name: giving(fact) for name, fact in known.items()})
    door = makeDoor(sequence, ports, authorizedKeys=authorizedKeys, **(hooks or {}))
    config = Config((door,), **(options or {}))
    return list(Check(config, host, conf).run())


class CheckTestCase(CommandTestCase):
    """
    Looks at hosts.
    """

    def bad(self, *arguments: Any, **facts: Any) -> list[tuple[str, str]]:
        """Level and subject of all that is not well."""
        found = [each for each in look(*arguments, **facts) if each.level != OK]
        for each in found:
            self.assertTrue(each.remedy, each)
        return [(each.level, each.subject) for each in found]


class CheckTests(CheckTestCase):
    """
    Tests of L{Check} without firewalld.
    """

    def test_well(self) -> None:
        """Where all is well there is nothing else, and no knock port in what is said."""
        self.assertEqual([], self.bad())
        said = " ".join(each.text for each in look())
        self.assertEqual([], [port for port in SEQUENCE if str(port) in said])

    def test_keys(self) -> None:
        """Keys are counted where they are wanted; then the sequence's order is no secret."""
        rising = tuple(sorted(SEQUENCE))
        self.assertEqual([(WARNING, "sequence")], self.bad(sequence=rising))
        sealed = {"sequence": rising, "authorizedKeys": "/etc/keys"}
        self.assertEqual([], self.bad(**sealed, keys=(2, [])))
        self.assertEqual([(WARNING, "keys")], self.bad(**sealed, keys=(1, ["line 2: no"])))
        self.assertEqual([(ERROR, "keys")], self.bad(**sealed, keys=(0, [])))
        unsafe = KeyFileError("/etc/keys can be written by others: `chmod go-w /etc/keys` mends it")
        self.assertEqual([(ERROR, "keys")], self.bad(**sealed, keys=unsafe))

    def test_notes(self) -> None:
        """What there is to know of the configuration is found, and is nothing bad."""
        options = {"notes": ("it is another's",)}
        self.assertIn(Finding(OK, "configuration", "it is another's"), look(options=options))
        self.assertEqual([], self.bad(options=options))

    def test_notReloaded(self) -> None:
        """What a file has that the running daemon has not read is one error, and to reload."""
        proc = FakeProc()
        proc.udp = proc.udp[:2]
        for facts, words in (
            ({"proc": proc}, "does not listen on 4 of 6 knock ports"),
            ({"ports": "22,80"}, "does not guard 80/tcp"),
            (
                {"proc": proc, "ports": "80"},
                "does not listen on 4 of 6 knock ports and does not guard 80/tcp",
            ),
        ):
            errors = [each for each in look(conf=CONF_FILE, **facts) if each.level == ERROR]
            (found,) = (each for each in errors if each.subject != "80/tcp")
            self.assertEqual(("daemon", "`pkdoors reload`"), (found.subject, found.remedy))
            self.assertEqual(f"it has not read what {CONF_FILE} says now, and {words}", found.text)
            shut = [each.text for each in errors if each.subject == "80/tcp"]
            self.assertFalse([text for text in shut if "everybody can reach it" in text], shut)

    def test_degraded(self) -> None:
        """Where the daemon itself says why it does not listen, that is the error, and no other."""
        proc = FakeProc()
        proc.udp = proc.udp[:2]
        facts: dict[str, Any] = {"proc": proc, "conf": CONF_FILE, "troubles": ["no more room"]}
        (found,) = (each for each in look(**facts) if each.level == ERROR)
        self.assertEqual(("daemon", "no more room"), (found.subject, found.text))
        texts = [each.text for each in look(**facts, ports="80") if each.subject == "daemon"]
        self.assertIn(
            f"it has not read what {CONF_FILE} says now, and does not guard 80/tcp", texts
        )

    def test_reload(self) -> None:
        """It says how to reach the daemon: where its admin socket is, or without one."""
        proc = FakeProc()
        proc.udp = []
        for options, conf, remedy in (
            ({}, "/my conf", "`pkdoors reload`"),
            ({"admin": "/run/x y"}, "/my conf", "`pkdoors reload --admin '/run/x y'`"),
            ({"admin": "/run/x"}, CONF_FILE, "`pkdoors reload`"),
            ({"admin": ""}, CONF_FILE, f"`kill -HUP {DAEMON}`"),
        ):
            found = look(proc, options, conf=conf)
            self.assertEqual([remedy], [each.remedy for each in found if each.level == ERROR])

    def test_otherOptions(self) -> None:
        """Where there is no file, the daemon is to be started anew, for each port."""
        proc = FakeProc()
        proc.udp = proc.udp[1:]
        (found,) = (each for each in look(proc) if each.level == ERROR)
        self.assertEqual("17001/udp", found.subject)
        self.assertIn(f"`kill {DAEMON}`", found.remedy)

    def test_start(self) -> None:
        """The service is started where there is one and the file is its; else twistd, as it is."""
        twistd = f"`{get_path('scripts')}/twistd pkdoors` with the options of this check"
        for conf, isService, remedy in (
            (CONF_FILE, True, "`systemctl start pkdoors`"),
            (CONF_FILE, False, twistd),
            ("", True, twistd),
            ("/other", True, twistd),
        ):
            found = look(holder=None, conf=conf, isService=isService, mayService=True)
            (daemon,) = (each for each in found if each.subject == "daemon")
            self.assertEqual(f"start the daemon: {remedy}", daemon.remedy)

    def test_serviceReads(self) -> None:
        """A file that the service cannot read is an error, where it is the service's."""
        sealed = {"authorizedKeys": "/etc/keys", "keys": (2, []), "isService": True}
        expected = [(ERROR, "configuration"), (ERROR, "keys")]
        self.assertEqual(expected, self.bad(conf=CONF_FILE, mayService=False, **sealed))
        self.assertEqual([], self.bad(conf=CONF_FILE, mayService=True, **sealed))
        self.assertEqual([], self.bad(conf="/other", mayService=False, **sealed))
        sealed["isService"] = False
        self.assertEqual([], self.bad(conf=CONF_FILE, mayService=False, **sealed))

    def test_othersHook(self) -> None:
        """A hook that others can change is an error, with the remedy: it is not run."""
        hooks: dict[str, Any] = {"hooks": {"onOpen": ("/bin/tell", "open")}, "whyNotRun": ""}
        flaw = Flaw(Path("/bin/tell"), "can be written by others", "chmod go-w /bin/tell")
        (found,) = (each for each in look(**hooks, hookFlaw=flaw) if each.level != OK)
        self.assertEqual(
            Finding(
                ERROR,
                "hooks",
                "on_open of door default is not run, others decide what it does: "
                "/bin/tell can be written by others",
                "`chmod go-w /bin/tell`",
            ),
            found,
        )

    def test_othersCode(self) -> None:
        """So is what the service runs; where there is no service nobody asks."""
        flaw = Flaw(Path("/opt/pkdoors"), "belongs to another user", "chown root /opt/pkdoors")
        service: dict[str, Any] = {"conf": CONF_FILE, "isService": True, "mayService": True}
        self.assertEqual([(ERROR, "code")], self.bad(**service, codeFlaw=flaw))
        self.assertEqual([], self.bad(**service))
        self.assertEqual([], self.bad(codeFlaw=flaw))

    def test_hooks(self) -> None:
        """A hook that cannot be run is a warning, with its door and key."""
        hooks: dict[str, Any] = {
            "hooks": {"onOpen": ("/bin/tell", "open"), "onRefuse": ("/bin/refuse",)}
        }
        self.assertEqual([], self.bad(**hooks, whyNotRun=""))
        found = [each for each in look(**hooks, whyNotRun="does not exist") if each.level != OK]
        self.assertEqual(
            [
                "on_open of door default cannot be run: /bin/tell does not exist",
                "on_refuse of door default cannot be run: /bin/refuse does not exist",
            ],
            [each.text for each in found],
        )
        self.assertEqual({(WARNING, "hooks")}, {(each.level, each.subject) for each in found})
        service = {"conf": CONF_FILE, "isService": True, "whyNotRun": ""}
        mayService = [(ERROR, "configuration"), (WARNING, "hooks"), (WARNING, "hooks")]
        self.assertEqual(mayService, self.bad(**hooks, **service, mayService=False))

    def test_audit(self) -> None:
        """An audit file that cannot be written is a warning; without one nothing is looked at."""
        options = {"audit": "/var/log/x"}
        self.assertEqual([], self.bad(options=options, whyNotWrite=""))
        trouble = "it is no regular file"
        self.assertEqual([(WARNING, "audit")], self.bad(options=options, whyNotWrite=trouble))
        self.assertEqual([], self.bad(whyNotWrite=AssertionError("asked")))

    def test_publicSequence(self) -> None:
        """A sequence that everybody knows is a warning, with how to have a better one."""
        found = look(sequence=PUBLIC_PORTS)
        (public,) = (each for each in found if "port-knocking-doors" in each.text)
        self.assertEqual((WARNING, "sequence"), (public.level, public.subject))
        self.assertEqual("`pkdoors sequence` prints a better one", public.remedy)

    def test_noGuard(self) -> None:
        """Without the guard another table that lets the port in leaves it open to all."""
        self.assertEqual([(ERROR, "22/tcp")], self.bad(tables=joinListings(FILTER)))

    def test_guardOfAnother(self) -> None:
        """A port that the guard does not have is open, though another is closed."""
        found = self.bad(ports="22,80", tables=joinListings(GUARD))
        self.assertEqual([(ERROR, "80/tcp"), (WARNING, "80/tcp"), (INFO, "scans")], found)

    def test_closedByOthers(self) -> None:
        """Where others drop it, it is not open, but a knock opens nothing."""
        drops = makeListing(LET_KNOCKS_IN, policy="drop")
        expected = [(WARNING, "22/tcp"), (ERROR, "22/tcp")]
        self.assertEqual(expected, self.bad(tables=joinListings(drops)))

    def test_nobodyListens(self) -> None:
        """Nobody listens on the port."""
        proc = FakeProc()
        proc.tcp = []
        self.assertEqual([(WARNING, "22/tcp")], self.bad(proc))

    def test_forwarded(self) -> None:
        """Nobody need listen on one that is forwarded, nor let it in."""
        proc = FakeProc()
        proc.tcp = []
        rule = [condition("tcp dport", 22), {"dnat": {"addr": "10.0.0.2"}}]
        nat = makeListing(rule, kind="nat", hook="prerouting", chain="inet nat pre")
        knocks = makeListing(LET_KNOCKS_IN, policy="drop")
        self.assertEqual([], self.bad(proc, tables=joinListings(GUARD, nat, knocks)))

    def test_knockPortTaken(self) -> None:
        """Another process has the knock ports."""
        proc = FakeProc()
        proc.owner = 5
        proc.udp = proc.udp[:1]
        expected = [(WARNING, "daemon"), (WARNING, "guard"), (ERROR, "17001/udp")]
        self.assertEqual(expected, self.bad(proc, holder=None))

    def test_knockPortOfTheKernel(self) -> None:
        """So may something that is no process, as WireGuard: root sees that, too."""
        proc = FakeProc()
        proc.udp.append(Socket(17001, BOUND, 999, "00000000", "00000000:0000"))
        self.assertEqual([(ERROR, "17001/udp")], self.bad(proc))

    def test_knockPortDropped(self) -> None:
        """Another table drops knocks: one finding for all."""
        drops = makeListing([condition("tcp dport", 22), ACCEPT], policy="drop")
        found = self.bad(tables=joinListings(GUARD, drops))
        self.assertEqual([(ERROR, "knock ports")], found)

    def test_loud(self) -> None:
        """Other UDP ports are rejected."""
        self.assertEqual([(INFO, "scans")], self.bad(tables=joinListings(GUARD)))

    def test_scannedPort(self) -> None:
        """A scan is judged by a port that is nobody's."""
        letIn = [condition("udp dport", SCANNED[0]), ACCEPT]
        theirs = makeListing(letIn, *LETS_IN, policy="drop")
        proc = FakeProc()
        self.assertEqual([(INFO, "scans")], self.bad(tables=joinListings(GUARD, theirs)))
        proc.udp.append(Socket(SCANNED[0], BOUND, 999, "00000000", "00000000:0000"))
        self.assertEqual([], self.bad(proc, tables=joinListings(GUARD, theirs)))

    def test_noIPv6(self) -> None:
        """IPv6 is off, which is well where IPv4 is all that is wanted."""
        proc = FakeProc()
        proc.isIPv6On = False
        self.assertEqual([(WARNING, "IPv6")], self.bad(proc))
        self.assertEqual([], self.bad(proc, options={"interfaces": ("0.0.0.0",)}))
        self.assertEqual([], self.bad(options={"interfaces": ("0.0.0.0", "::")}))

    def test_missingAddress(self) -> None:
        """An address to listen on that is not there is a warning for each."""
        addresses = {"interfaces": ("192.0.2.1", "192.0.2.2")}
        self.assertEqual([], self.bad(options=addresses))
        expected = [(WARNING, "interfaces")] * 2
        self.assertEqual(expected, self.bad(options=addresses, isThere=False))

    def test_service(self) -> None:
        """The nftables service flushes."""
        files = [("/etc/nftables.conf", "flush ruleset")]
        service = {"nftablesFiles": files, "isOn": True}
        self.assertEqual([(INFO, "nftables.service")], self.bad(**service))
        found = self.bad(**service, guard=GuardState())
        self.assertEqual([(INFO, "guard"), (WARNING, "nftables.service")], found)
        # Somebody else's ownership protects nothing.
        self.assertIn((WARNING, "nftables.service"), self.bad(**service, holder=None))

    def test_savedRules(self) -> None:
        """A saved ruleset with our table is an error."""
        files = [Saved("/etc/nftables.conf", "table inet pkdoors {\n}\n")]
        self.assertEqual([(ERROR, "saved rules")], self.bad(savedFiles=files))

    def test_cookies(self) -> None:
        """SYN cookies without need are a warning."""
        proc = FakeProc()
        proc.syncookies = 2
        self.assertEqual([(WARNING, "SYN cookies")], self.bad(proc))
        self.assertEqual([], [each for each in self.bad(proc, ports="53/udp") if "SYN" in each[1]])

    def test_legacy(self) -> None:
        """So is what the old iptables may forward."""
        proc = FakeProc()
        proc.legacy = [("nat", "iptables-legacy -t nat -S")]
        self.assertEqual([(WARNING, "iptables")], self.bad(proc))

    def test_guard(self) -> None:
        """A guard that can be flushed is no reason for another status."""
        self.assertEqual([(INFO, "guard")], self.bad(guard=GuardState()))
        error = FirewallError("it does not tell: try again")
        self.assertEqual([(ERROR, "guard")], self.bad(guard=error))
        asked = AssertionError("asked")
        self.assertEqual([(ERROR, "nftables")], self.bad(tables=FirewallError("a: b"), guard=asked))

    def test_notrack(self) -> None:
        """Rules against tracking are told of protected ports."""
        rule = [condition("tcp dport", 22), {"notrack": None}]
        raw = makeListing(rule, chain="inet other pre", hook="prerouting")
        raw["nftables"][2]["chain"]["prio"] = -300
        found = {"tables": joinListings(GUARD, FILTER, raw)}
        self.assertEqual([(INFO, "22/tcp")], self.bad(**found))
        cut = {"hooks": {"cutSessions": True}}
        self.assertEqual([(WARNING, "22/tcp")], self.bad(**found, **cut))

    def test_redirected(self) -> None:
        """A port that is redirected to another is told of if that is open."""
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

    def test_noPrivilege(self) -> None:
        """Without privilege what can be found is."""
        proc = FakeProc()
        proc.privilege = NOBODY
        proc.tcp = []
        found = self.bad(proc, holder=PermissionError(13, "no"), tables=AssertionError("asked"))
        expected = [(ERROR, "privilege"), (WARNING, "daemon")]
        self.assertEqual([*expected, (WARNING, "22/tcp"), (WARNING, "knock ports")], found)

    def test_libraryMissing(self) -> None:
        """A library that is missing is an error, with what to install."""
        error = FirewallError("the bindings are missing: install python3-nftables")
        found = look(tables=error)
        (bad,) = (each for each in found if each.level != OK)
        self.assertEqual(
            Finding(ERROR, "nftables", "the bindings are missing", "install python3-nftables"), bad
        )

    def test_unexpected(self) -> None:
        """Whatever a source of facts raises is a warning, and the rest is looked at."""
        for fact in ("holder", "tables", "nftablesFiles", "isOn", "isFirewalldThere"):
            facts: dict[str, Any] = {fact: RuntimeError("boom")}
            found = look(**facts)
            (bad,) = (each for each in found if "boom" in each.text)
            self.assertEqual(WARNING, bad.level)
            self.assertIn("could not be looked at: ", bad.text)
            self.assertIn("22/tcp", [each.subject for each in found])

    def test_garbage(self) -> None:
        """So is a listing that cannot be read."""
        for listing in ("", "{}", '{"nftables": [{}]}'):
            self.assertEqual([(WARNING, "nftables")], self.bad(tables=listing))


class FirewalldTests(CheckTestCase):
    """
    Tests of L{Check} with firewalld.
    """

    zone = Zone("public", "DROP", rules=tuple(map(knockRule, SEQUENCE)))

    def firewalld(self, zone: Any = zone, **facts: Any) -> list[tuple[str, str]]:
        """What is not well where firewalld runs."""
        zones = [zone] if isinstance(zone, Zone) else zone
        theirs = makeListing(policy="drop", chain="inet firewalld filter_INPUT")
        tables = joinListings(GUARD, theirs)
        return self.bad(**{"tables": tables, "isFirewalldThere": True, "zones": zones, **facts})

    def test_well(self) -> None:
        """Where all is well there is nothing else; firewalld's own table is not judged."""
        self.assertEqual([], self.firewalld())

    def test_missing(self) -> None:
        """A firewalld that is wanted does not run."""
        self.assertEqual([(ERROR, "firewall")], self.bad(options={"firewall": "firewalld"}))

    def test_bindingsMissing(self) -> None:
        """Its bindings are missing, which matters where it is wanted, or may be."""
        error = FirewallError("python-firewall is missing: install python3-firewall")
        self.assertEqual([(ERROR, "firewall")], self.bad(isFirewalldThere=error))
        options = {"firewall": "nftables"}
        self.assertEqual([], self.bad(isFirewalldThere=error, options=options))

    def test_hangs(self) -> None:
        """One that does not answer is an error, and what depends on it is left out."""
        error = FirewallError("firewalld did not answer: restart it")
        self.assertEqual([(ERROR, "zones")], self.firewalld(error))

    def test_exposed(self) -> None:
        """A zone that opens the port is a warning, and without the guard an error."""
        exposure = Exposure(PortRange("tcp", 22, 22), "service ssh", "`this`")
        zone = Zone("public", "DROP", (exposure,), self.zone.rules)
        self.assertEqual([(WARNING, "22/tcp")], self.firewalld(zone))
        self.assertEqual([(ERROR, "22/tcp")], self.firewalld(zone, tables=joinListings()))

    def test_knocksShutOut(self) -> None:
        """The daemon's rules are missing."""
        self.assertEqual([(ERROR, "knock ports")], self.firewalld(Zone("public", "DROP")))

    def test_notReloaded(self) -> None:
        """What is missing in a zone because of a changed file is not told for each port, too."""
        proc = FakeProc()
        proc.udp = proc.udp[:2]
        zone = Zone("public", "DROP", rules=tuple(map(knockRule, SEQUENCE[:2])))
        found = self.firewalld(zone, proc=proc, conf=CONF_FILE)
        self.assertEqual([(ERROR, "daemon")], found)

    def test_beside(self) -> None:
        """With nftables the zone must let knocks and the port in by itself."""
        found = self.firewalld(Zone("public", "DROP"), options={"firewall": "nftables"})
        ports = ["knock ports", "22/tcp"]
        self.assertEqual([(WARNING, "firewall"), *((ERROR, each) for each in ports)], found)

    def test_besideOpen(self) -> None:
        """Where it does, that is as it must be."""
        zone = Zone("public", "DROP", (Exposure(None, "a rule", "`this`"),))
        found = self.firewalld(zone, options={"firewall": "nftables"})
        self.assertEqual([(WARNING, "firewall")], found)

    def test_redirected(self) -> None:
        """A port that firewalld redirects is told of if a zone opens the one behind."""
        rule = [condition("tcp dport", 22), {"redirect": {"port": 2200}}]
        nat = makeListing(rule, kind="nat", hook="prerouting", chain="inet firewalld nat_PRE")
        facts: dict[str, Any] = {"tables": joinListings(GUARD, nat), "proc": FakeProc()}
        facts["proc"].tcp.append(Socket(2200, LISTENS, 1, "00000000", "00000000:0000"))
        self.assertEqual([], self.firewalld(**facts))
        exposure = Exposure(PortRange("tcp", 2200, 2200), "port 2200/tcp", "`this`")
        zone = Zone("public", "DROP", (exposure,), self.zone.rules)
        self.assertEqual([(WARNING, "22/tcp")], self.firewalld(zone, **facts))

    def test_loud(self) -> None:
        """A zone that rejects is told of."""
        zone = Zone("public", "default", rules=self.zone.rules)
        self.assertEqual([(INFO, "scans")], self.firewalld(zone))


class CommandTests(CommandTestCase):
    """
    C{pkdoors check}.
    """

    options = ("-m", ",".join(map(str, SEQUENCE)), "-p", "22")

    def check(self, *arguments: str, status: str = ROOT, **environment: str) -> End:
        """Run it on a host on which all is well."""
        proc = FakeProc()
        proc.privilege = status
        facts = {
            "holder": DAEMON,
            "tables": joinListings(GUARD, FILTER),
            "isFirewalldThere": False,
            "guard": GuardState(isOwned=True),
            "savedFiles": [],
            "nftablesFiles": [],
            "isOn": False,
            "isService": False,
            "isThere": True,
            "troubles": [],
        }
        host = Host(proc, **{name: giving(fact) for name, fact in facts.items()})
        self.patch(check, "Host", lambda: host)
        return self.run_("check", *arguments, **environment)

    def test_table(self) -> None:
        """It prints a table, and ends with the status of the worst finding."""
        end = self.check(*self.options)
        self.assertEqual((0, ""), (end.status, end.stderr))
        self.assertIn("OK       firewall     nftables (firewalld does not run)\n", end.stdout)
        self.assertEqual(2, self.check(*self.options, status=NOBODY).status)

    def test_json(self) -> None:
        """C{--json} prints the same for programs, wherever it stands."""
        table = self.check(*self.options).stdout
        for arguments in (("--json", *self.options), (*self.options, "--json")):
            found = json.loads(self.check(*arguments).stdout)
            self.assertEqual(len(table.splitlines()), len(found))
            for each in found:
                self.assertIn(each["text"], table)

    def test_environment(self) -> None:
        """The environment counts as it does for the daemon."""
        end = self.check(KNOCKER_SEQ=self.options[1], KNOCKER_PORTS="22")
        self.assertEqual(0, end.status)

    def test_wrong(self) -> None:
        """What is wrong is one line and status 2."""
        for arguments in (
            (),
            ("-m", "1,2", "-p", "22"),
            ("--nonsense",),
            (*self.options, "-f", "pf"),
            (*self.options, "more"),
        ):
            end = self.check(*arguments)
            self.assertEqual((2, "", 1), (end.status, end.stdout, end.stderr.count("\n")), end)
            self.assertTrue(end.stderr.startswith("pkdoors check: "), end.stderr)

    def test_help(self) -> None:
        """The help has the daemon's options, and its own."""
        end = self.check("--help")
        self.assertEqual(0, end.status)
        for word in ("pkdoors check", "--magic-seq", "--zone", "--interface", "--json"):
            self.assertIn(word, end.stdout)
