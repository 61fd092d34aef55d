"""Tests of L{pkdoors.firewall.firewalld.client} and L{pkdoors.firewall.firewalld._routes}."""

import subprocess
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld._routes import findHardwareAddress, findRouteInterface
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import SILENT, FirewalldRefusal, FirewalldTimeout
from pkdoors.firewall.firewalld.richrules import knockRule, openingPriorities, openingRules
from pkdoors.model.ports import PortRange
from tests.fakes.dbus import FakeDBus, FakeDBusException
from tests.fakes.firewalld import EARLY, FakeFirewalld
from tests.fakes.host import FakeIp

RULE = knockRule(17001)
STRANGERS = 'rule priority="-1" family="ipv4" source address="198.51.100.66" drop'
ANN = ip_address("203.0.113.9")


class RouteTests(SynchronousTestCase):
    """
    Tests of L{pkdoors.firewall.firewalld._routes}.
    """

    def setUp(self) -> None:
        """Have an C{ip} command."""
        self.ip = FakeIp(
            {
                "route get 203.0.113.9": [{"dst": "203.0.113.9", "dev": "eth0", "flags": []}],
                "neigh show 203.0.113.9": [{"dst": "203.0.113.9", "lladdr": "AA:BB:CC:00:00:01"}],
                "neigh show 203.0.113.10": [],
                "neigh show 203.0.113.11": b"",
                "neigh show 203.0.113.12": [{"dst": "203.0.113.12", "state": ["FAILED"]}],
                "route get 203.0.113.13": subprocess.TimeoutExpired("ip", 2.0),
                "route get 203.0.113.14": FileNotFoundError("ip"),
                "route get 203.0.113.15": b"no JSON",
            }
        )
        self.ip.install(self)

    def test_interface(self) -> None:
        """The interface is that of the route to the address."""
        self.assertEqual("eth0", findRouteInterface(ANN))

    def test_hardware(self) -> None:
        """The hardware address is in lower case."""
        self.assertEqual("aa:bb:cc:00:00:01", findHardwareAddress(ANN))

    def test_noNeighbour(self) -> None:
        """Without a neighbour entry, or with one that has no address, it is empty."""
        for last in (10, 11, 12):
            self.assertEqual("", findHardwareAddress(ip_address(f"203.0.113.{last}")), last)

    def test_failures(self) -> None:
        """
        If there is no route, or no C{ip} command, or if that is slow or prints nonsense, the result
        is empty, and nothing is raised.
        """
        for last in (99, 13, 14, 15):
            self.assertEqual("", findRouteInterface(ip_address(f"203.0.113.{last}")), last)


class ZoneClientTestCase(SynchronousTestCase):
    """
    A firewalld.
    """

    def setUp(self) -> None:
        """Have a firewalld, and a route to Ann over eth0."""
        FakeDBus().install(self)
        self.ip = FakeIp({"route get 203.0.113.9": [{"dev": "eth0"}]})
        self.ip.install(self)
        self.clock = Clock()
        self.firewalld = FakeFirewalld(self.clock)
        self.zones = ZoneClient("", lambda: self.firewalld)


class ZoneChoiceTests(ZoneClientTestCase):
    """
    Tests of L{ZoneClient.zonesFinder} and L{ZoneClient.knockZones}.
    """

    def test_knockZones(self) -> None:
        """Knocks can arrive in all active zones and the default zone, each once."""
        self.firewalld.active = {"work": {"sources": ["10.0.0.0/8"]}, "home": {}}
        self.assertEqual(["home", "public", "work"], self.zones.knockZones())
        self.firewalld.active["public"] = {"interfaces": ["eth0"]}
        self.assertEqual(["home", "public", "work"], self.zones.knockZones())

    def test_interfaceByRoute(self) -> None:
        """The interface is that of the route back to the client."""
        self.firewalld.active = {"home": {"interfaces": ["eth0"]}, "dmz": {"interfaces": ["eth1"]}}
        self.assertEqual(("home",), self.zones.zonesFinder()(ANN))
        self.ip.answers["route get 203.0.113.9"] = [{"dev": "eth1"}]
        self.assertEqual(("dmz",), self.zones.zonesFinder()(ANN))

    def test_default(self) -> None:
        """Without a binding, it is firewalld's default zone."""
        self.firewalld.active = {}
        self.firewalld.default = "internal"
        self.assertEqual(("internal",), self.zones.zonesFinder()(ANN))

    def test_source(self) -> None:
        """Source bindings come first."""
        self.firewalld.active["work"] = {"sources": ["203.0.113.0/24"]}
        self.assertEqual(("work",), self.zones.zonesFinder()(ANN))

    def test_ipset(self) -> None:
        """firewalld is asked for the entries of an ipset."""
        self.firewalld.active["work"] = {"sources": ["ipset:friends"]}
        self.firewalld.ipsets = {"friends": ["203.0.113.9"]}
        self.assertEqual(("work",), self.zones.zonesFinder()(ANN))

    def test_ipsetWithTimeout(self) -> None:
        """An ipset that does not list its entries is ignored."""
        self.firewalld.active["a"] = {"sources": ["ipset:secretive"]}
        self.assertEqual(("public",), self.zones.zonesFinder()(ANN))

    def test_hardware(self) -> None:
        """The hardware address is looked up if it can matter."""
        self.ip.answers["neigh show 203.0.113.9"] = [{"lladdr": "aa:bb:cc:00:00:01"}]
        self.firewalld.active["work"] = {"sources": ["AA:BB:CC:00:00:01"]}
        self.assertEqual(("work",), self.zones.zonesFinder()(ANN))

    def test_hardwareNotAsked(self) -> None:
        """Otherwise that look-up is saved."""
        self.firewalld.active["dmz"] = {"interfaces": ["eth1"]}
        self.zones.zonesFinder()(ANN)
        self.assertEqual(["route get 203.0.113.9"], self.ip.asked)

    def test_askedOnce(self) -> None:
        """For many clients firewalld is asked once; the route is looked up for each."""
        self.ip.answers["route get 2001:db8::7"] = [{"dev": "eth1"}]
        self.firewalld.active["dmz"] = {"interfaces": ["eth1"]}
        find = self.zones.zonesFinder()
        self.firewalld.isOnBus = self.firewalld.connected = False
        found = [find(ANN), find(ip_address("2001:db8::7"))]
        self.assertEqual([("public",), ("dmz",)], found)

    def test_asThingsAre(self) -> None:
        """A new finder knows what has changed."""
        self.assertEqual(("public",), self.zones.zonesFinder()(ANN))
        self.firewalld.active["work"] = {"sources": ["203.0.113.9"]}
        self.assertEqual(("work",), self.zones.zonesFinder()(ANN))

    def test_network(self) -> None:
        """The packets of a network may be in any zone that judges packets."""
        self.firewalld.active["work"] = {"sources": ["203.0.113.0/25"]}
        network = ip_network("203.0.113.0/24")
        self.assertEqual(("public", "work"), self.zones.zonesFinder()(network))
        zones = ZoneClient("internal", lambda: self.firewalld)
        self.assertEqual(("internal",), zones.zonesFinder()(network))

    def test_override(self) -> None:
        """A given zone is used for everything, and firewalld is not asked."""
        self.firewalld.active["work"] = {"sources": ["203.0.113.0/24"]}
        zones = ZoneClient("internal", lambda: self.firewalld)
        self.assertEqual(("internal",), zones.zonesFinder()(ANN))
        self.assertEqual(["internal"], zones.knockZones())
        self.assertEqual([], self.ip.asked)


class RuleTests(ZoneClientTestCase):
    """
    Tests of L{ZoneClient.add}, L{ZoneClient.remove} and L{ZoneClient.rules}.
    """

    def test_add(self) -> None:
        """A rule is added permanently, or for some seconds."""
        self.zones.add("public", RULE)
        self.zones.add("internal", RULE, 30)
        self.assertEqual({RULE: 0}, self.firewalld.present("public"))
        self.assertEqual({RULE: 30 - EARLY}, self.firewalld.present("internal"))

    def test_alreadyThere(self) -> None:
        """Adding an existing rule is no error, and changes nothing."""
        self.zones.add("public", RULE)
        self.zones.add("public", RULE)
        self.assertEqual([f"add public {RULE}"], self.firewalld.calls)

    def test_newTimeout(self) -> None:
        """An existing rule that is added with a time gets that time."""
        self.zones.add("public", RULE, 30)
        self.clock.advance(10)
        self.zones.add("public", RULE, 600)
        self.assertEqual({RULE: 600 - EARLY}, self.firewalld.present())

    def test_remove(self) -> None:
        """A rule is removed; a missing rule is no error."""
        self.zones.add("public", RULE)
        self.zones.remove("public", RULE)
        self.zones.remove("public", RULE)
        self.assertEqual({}, self.firewalld.present())

    def test_rules(self) -> None:
        """The rules of a zone are listed."""
        self.zones.add("public", RULE)
        self.assertEqual(([RULE], []), (self.zones.rules("public"), self.zones.rules("internal")))

    def test_allRules(self) -> None:
        """The rules of all zones are listed, including zones that have none."""
        self.zones.add("internal", RULE)
        self.assertEqual({"public": [], "internal": [RULE], "trusted": []}, self.zones.allRules())

    def test_otherRefusals(self) -> None:
        """Both raise other refusals."""
        self.firewalld.refuse("addRichRule", "", "INVALID_RULE: no")
        self.firewalld.refuse("removeRichRule", "", "INVALID_RULE: no")
        self.assertRaises(FirewallError, self.zones.add, "public", RULE)
        self.assertRaises(FirewallError, self.zones.add, "public", RULE, 30)
        self.assertRaises(FirewallError, self.zones.remove, "public", RULE)


class SavedTests(ZoneClientTestCase):
    """
    Tests of L{ZoneClient.takeSaved} and L{ZoneClient.release}.
    """

    ours = (RULE, *openingRules(ANN, [PortRange("tcp", 22, 22)], openingPriorities(3)[1]))

    def setUp(self) -> None:
        """Have rules of ours, and one of somebody else, everywhere."""
        super().setUp()
        self.told: list[str] = []
        self.zones.listen(lambda why: None, self.told.append, lambda zone, rule: False, print)
        for zone in ("public", "internal"):
            self.firewalld.permanent[zone] = [self.ours[0], STRANGERS, self.ours[1]]
            self.firewalld.rules[zone] = dict.fromkeys(self.firewalld.permanent[zone], 0.0)

    def test_takeSaved(self) -> None:
        """Our rules are removed from the permanent configuration of all zones, and reported."""
        self.assertEqual(
            [(zone, rule) for zone in ("public", "internal") for rule in self.ours],
            self.zones.takeSaved(),
        )
        self.assertEqual(
            {"public": [STRANGERS], "internal": [STRANGERS], "trusted": []},
            self.firewalld.permanent,
        )
        self.assertEqual(["public", "internal"], self.told)

    def test_runtimeStays(self) -> None:
        """The rules that are in effect stay."""
        self.zones.takeSaved()
        self.assertEqual([], self.firewalld.calls)
        self.assertEqual(3, len(self.firewalld.present()))

    def test_oneZone(self) -> None:
        """If one zone is asked for, only that one changes."""
        self.assertEqual(2, len(self.zones.takeSaved(["internal"])))
        self.assertEqual(([STRANGERS], 3), self.permanent())
        self.assertEqual(["internal"], self.told)

    def permanent(self) -> tuple[list[str], int]:
        """Return the permanent rules in C{internal}, and the number in C{public}."""
        return self.firewalld.permanent["internal"], len(self.firewalld.permanent["public"])

    def test_nothingSaved(self) -> None:
        """If there are none of ours, nothing is reported."""
        self.zones.takeSaved()
        self.told.clear()
        self.assertEqual(([], []), (self.zones.takeSaved(), self.told))

    def test_noSuchZone(self) -> None:
        """A refusal is raised."""
        self.assertRaises(FirewalldRefusal, self.zones.takeSaved, ["nowhere"])

    def test_release(self) -> None:
        """All our rules are removed, those in effect and the permanent ones, and listed."""
        removed = self.zones.release()
        self.assertEqual(8, len(removed))
        self.assertEqual(f"firewalld, zone public: {RULE}", removed[0])
        self.assertEqual(f"firewalld, zone public, permanent: {RULE}", removed[4])
        for zone in ("public", "internal"):
            self.assertEqual({STRANGERS: 0}, self.firewalld.present(zone))
            self.assertEqual([STRANGERS], self.firewalld.permanent[zone])


class ListenTests(ZoneClientTestCase):
    """
    Tests of L{ZoneClient.listen}.
    """

    def setUp(self) -> None:
        """Listen."""
        super().setUp()
        self.lost: list[str] = []
        self.saved: list[str] = []
        self.changes = 0
        self.zones.listen(self.lost.append, self.saved.append, self.isWanted, self.onSettings)

    def onSettings(self) -> None:
        """Count the changes of zones' settings."""
        self.changes += 1

    def isWanted(self, zone: str, rule: str) -> bool:
        """Return whether a rule must exist."""
        return (zone, rule) == ("public", RULE)

    def test_reload(self) -> None:
        """A reload is reported."""
        self.firewalld.reload()
        self.assertEqual(["firewalld was reloaded"], self.lost)

    def test_moves(self) -> None:
        """It is reported if packets may be assigned to other zones."""
        for signal, arguments in (
            ("default-zone-changed", ["work"]),
            ("zone-of-interface-changed", ["work", "eth0"]),
            ("source-added", ["work", "10.0.0.0/8"]),
        ):
            self.firewalld.tell(signal, *arguments)
        self.assertEqual(["firewalld's zones were changed"] * 3, self.lost)

    def test_settings(self) -> None:
        """Changes of what zones let through are passed on."""
        for signal in ("port-added", "service-removed", "zone-updated", "panic-mode-enabled"):
            self.firewalld.tell(signal)
        self.assertEqual((4, []), (self.changes, self.lost))

    def test_removed(self) -> None:
        """So is the removal of a rule that must exist; that of others is not."""
        for rule in (RULE, STRANGERS):
            self.firewalld.rules["public"][rule] = 0
        self.firewalld.end(STRANGERS)
        self.assertEqual([], self.lost)
        self.firewalld.end(RULE)
        self.assertEqual(["firewalld ended a rule of pkdoors"], self.lost)

    def test_comesAndGoes(self) -> None:
        """So is it if firewalld goes away, or comes back."""
        self.firewalld.change(False)
        self.firewalld.change(True)
        self.assertEqual(["firewalld went away", "firewalld is back"], self.lost)

    def test_busGone(self) -> None:
        """So is the end of the bus."""
        self.firewalld.disconnect()
        self.assertEqual(["the system's D-Bus went away"], self.lost)

    def test_newBus(self) -> None:
        """It listens to a new bus, too."""
        new = FakeFirewalld(self.clock)
        zones = ZoneClient("", iter((self.firewalld, new)).__next__)
        zones.listen(self.lost.append, self.saved.append, self.isWanted, self.onSettings)
        self.firewalld.disconnect()
        zones.rules("public")
        new.reload()
        self.assertEqual(["the system's D-Bus went away", "firewalld was reloaded"], self.lost)

    def test_saved(self) -> None:
        """Rules of ours that become permanent are removed at once, and their zone is reported."""
        self.zones.add("public", RULE)
        self.firewalld.rules["public"][STRANGERS] = 0
        self.firewalld.save()
        self.assertEqual([STRANGERS], self.firewalld.permanent["public"])
        self.assertEqual(["public"], self.saved)

    def test_savedRefuses(self) -> None:
        """If firewalld refuses that, its message is reported, so the removal is tried again."""
        self.zones.add("public", RULE)
        self.firewalld.refuse("removePermanentRule", RULE, "INVALID_RULE: no")
        self.firewalld.save()
        self.assertEqual(["firewalld refused: INVALID_RULE: no"], self.lost)
        self.assertEqual([], self.saved)


class ErrorTests(ZoneClientTestCase):
    """
    Messages for the operator.
    """

    def test_disconnected(self) -> None:
        """A lost connection, which the client ignores, is an error."""
        self.firewalld.connected = False
        error = self.assertRaises(FirewalldTimeout, self.zones.add, "public", RULE)
        self.assertEqual(SILENT, str(error))

    def test_zone(self) -> None:
        """The message names a zone that does not exist, and the command that lists the others."""
        error = self.assertRaises(FirewallError, self.zones.add, "nowhere", RULE)
        self.assertEqual(
            "firewalld has no zone 'nowhere': `firewall-cmd --get-zones` lists its zones",
            str(error),
        )

    def test_connectionIsKept(self) -> None:
        """One connection is used for all calls."""
        zones = ZoneClient("", iter((self.firewalld,)).__next__)
        for seconds in (30, 60):
            zones.add("public", RULE, seconds)
        self.assertEqual({RULE: 60 - EARLY}, self.firewalld.present())

    def test_busRestarted(self) -> None:
        """After a restart of the bus there is a new connection."""
        new = FakeFirewalld(self.clock)
        zones = ZoneClient("", iter((self.firewalld, new)).__next__)
        self.firewalld.isOnBus = False
        zones.add("public", RULE)
        self.assertEqual({RULE: 0}, new.present())

    def test_busIsGone(self) -> None:
        """
        If there is no bus to connect to, the message says so, too, and the call is tried again.
        """
        new = FakeFirewalld(self.clock)
        gone = FakeDBusException("no socket", "org.freedesktop.DBus.Error.FileNotFound")
        answers: Iterator[Any] = iter([self.firewalld, gone, gone, new])

        def connect() -> Any:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        zones = ZoneClient("", connect)
        self.firewalld.isOnBus = False
        for _ in range(2):
            self.assertRaises(FirewalldTimeout, zones.add, "public", RULE)
        zones.add("public", RULE)
        self.assertEqual({RULE: 0}, new.present())
