"""Tests of L{pkdoors.firewall.firewalld.zones}."""

from collections.abc import Iterable
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.firewalld.zones import (
    ActiveZones,
    Client,
    Exposure,
    findZone,
    hasHardwareSources,
    hasInterfaces,
    removeCommands,
    zonesOfInterface,
)
from pkdoors.model.ports import PortRange

IPSETS = {
    "friends": ["203.0.113.9", "198.51.100.0/24"],
    "macs": ["AA:BB:CC:00:00:01"],
    "pairs": ["203.0.113.9,tcp:80"],
}


class ZoneOfTests(SynchronousTestCase):
    """
    Tests of L{findZone}.
    """

    def zone(
        self,
        active: ActiveZones,
        address: str = "203.0.113.9",
        interface: str = "eth0",
        hardware: str = "",
    ) -> str:
        """Return the zone of a client, with the default zone C{public}."""
        client = Client(ip_address(address), interface, hardware)
        return findZone(client, active, "public", self.entries)

    def entries(self, ipset: str) -> Iterable[str]:
        """Return the entries of the ipset."""
        return IPSETS[ipset]

    def test_default(self) -> None:
        """If nothing is bound, it is the default zone."""
        self.assertEqual("public", self.zone({}))
        self.assertEqual("public", self.zone({"dmz": {"interfaces": ["eth1"]}}))

    def test_noRoute(self) -> None:
        """So it is if there is no route to the client."""
        self.assertEqual("public", self.zone({"dmz": {"interfaces": ["eth0"]}}, interface=""))

    def test_interface(self) -> None:
        """The zone of the interface comes before the default zone."""
        active = {"dmz": {"interfaces": ["eth1"]}, "home": {"interfaces": ["lo", "eth0"]}}
        self.assertEqual("home", self.zone(active))

    def test_source(self) -> None:
        """The zone of a source binding comes before the interface's."""
        active = {"home": {"interfaces": ["eth0"]}, "work": {"sources": ["203.0.113.9"]}}
        self.assertEqual("work", self.zone(active))

    def test_network(self) -> None:
        """A source binding may be a network, with host bits set or not, or one with a mask."""
        for source in ("203.0.113.0/24", "203.0.113.77/24", "203.0.113.0/255.255.255.0"):
            self.assertEqual("work", self.zone({"work": {"sources": [source]}}), source)
        self.assertEqual("public", self.zone({"work": {"sources": ["203.0.112.0/24"]}}))

    def test_ipv6(self) -> None:
        """So it may be over IPv6; a network of the other family does not match."""
        active = {"work": {"sources": ["2001:db8::/32"]}, "old": {"sources": ["0.0.0.0/0"]}}
        self.assertEqual("work", self.zone(active, address="2001:db8::7"))
        self.assertEqual("public", self.zone(active, address="2001:db9::7"))

    def test_zoneNameOrder(self) -> None:
        """
        If several source bindings match, the first zone by name counts, not the closest network.
        """
        active = {
            "work": {"sources": ["203.0.113.9"]},
            "home": {"sources": ["203.0.113.0/24"]},
            "zoo": {"sources": ["203.0.113.9"]},
        }
        self.assertEqual("home", self.zone(active))

    def test_ipset(self) -> None:
        """A source binding may be an ipset, of addresses and networks."""
        active = {"work": {"sources": ["ipset:friends"]}}
        self.assertEqual("work", self.zone(active))
        self.assertEqual("work", self.zone(active, address="198.51.100.77"))
        self.assertEqual("public", self.zone(active, address="203.0.113.10"))

    def test_hardware(self) -> None:
        """A source binding may be a hardware address, in upper or lower case."""
        active = {"work": {"sources": ["AA:BB:CC:00:00:01"]}}
        self.assertEqual("work", self.zone(active, hardware="aa:bb:cc:00:00:01"))
        self.assertEqual("public", self.zone(active, hardware="aa:bb:cc:00:00:02"))
        self.assertEqual("public", self.zone(active, hardware=""))

    def test_hardwareIpset(self) -> None:
        """So may the entry of an ipset."""
        active = {"work": {"sources": ["ipset:macs"]}}
        self.assertEqual("work", self.zone(active, hardware="aa:bb:cc:00:00:01"))

    def test_pairs(self) -> None:
        """An entry of several parts is ignored."""
        self.assertEqual("public", self.zone({"work": {"sources": ["ipset:pairs"]}}))

    def test_wildcard(self) -> None:
        """An interface may be bound by a wildcard."""
        active = {"dmz": {"interfaces": ["wlan+"]}, "home": {"interfaces": ["eth+"]}}
        self.assertEqual("home", self.zone(active))
        for other in ("ppp0", "et0"):
            self.assertEqual("public", self.zone(active, interface=other))

    def test_exactBeforeWildcard(self) -> None:
        """The interface's own name comes before a wildcard, whatever the zones' names."""
        active = {"dmz": {"interfaces": ["eth+"]}, "home": {"interfaces": ["eth0"]}}
        self.assertEqual("home", self.zone(active))

    def test_prefixIsNoWildcard(self) -> None:
        """Without the plus, a part of the name does not match."""
        self.assertEqual("public", self.zone({"home": {"interfaces": ["eth"]}}))


class HardwareSourcesTests(SynchronousTestCase):
    """
    Tests of L{hasHardwareSources}.
    """

    def test_matters(self) -> None:
        """Hardware addresses and ipsets need the client's hardware address."""
        self.assertTrue(hasHardwareSources({"a": {}, "b": {"sources": ["aa:bb:cc:00:00:01"]}}))
        self.assertTrue(hasHardwareSources({"a": {"sources": ["10.0.0.1", "ipset:x"]}}))

    def test_mattersNot(self) -> None:
        """Addresses and interfaces do not."""
        active = {"a": {"sources": ["10.0.0.0/8", "2001:db8::/32"], "interfaces": ["eth0"]}}
        self.assertFalse(hasHardwareSources(active))
        self.assertFalse(hasHardwareSources({}))

    def test_interface(self) -> None:
        """The interface matters if a zone other than the default one has some."""
        active = {"public": {"interfaces": ["eth0"]}, "home": {"sources": ["10.0.0.0/8"]}}
        self.assertEqual(
            (False, True, False),
            tuple(
                hasInterfaces(zones, default)
                for zones, default in ((active, "public"), (active, "home"), ({}, "home"))
            ),
        )


ACTIVE: ActiveZones = {
    "home": {"sources": ["10.0.0.0/8"]},
    "vpn": {"interfaces": ["wg0", "tun+"]},
    "work": {"interfaces": ["eth1"], "sources": ["ipset:friends"]},
}


class InterfaceTests(SynchronousTestCase):
    """
    Tests of L{zonesOfInterface}.
    """

    def test_zones(self) -> None:
        """Its own zone, or the default one, and those of sources, which come first."""
        for interface, own in (("wg0", "vpn"), ("tun7", "vpn"), ("eth1", "work"), ("x", "public")):
            found = zonesOfInterface(interface, ACTIVE, "public")
            self.assertEqual(sorted({own, "home", "work"}), found)


class ExposureTests(SynchronousTestCase):
    """
    Tests of L{Exposure}.
    """

    def test_overlap(self) -> None:
        """Having one port in common is enough."""
        exposure = Exposure(PortRange("tcp", 6005, 7000), "a port", "`this`")
        self.assertTrue(exposure.reaches(PortRange("tcp", 6000, 6010)))

    def test_everything(self) -> None:
        """An exposure of everything reaches all ports."""
        exposure = Exposure(None, "its target is ACCEPT", "`this`")
        self.assertTrue(exposure.reaches(PortRange("udp", 53, 53)))

    def test_none(self) -> None:
        """An exposure of other ports does not, nor one of the other protocol."""
        exposure = Exposure(PortRange("tcp", 22, 22), "service ssh", "`this`")
        self.assertFalse(exposure.reaches(PortRange("tcp", 23, 99)))
        self.assertFalse(exposure.reaches(PortRange("udp", 22, 22)))

    def test_removal(self) -> None:
        """The remedy consists of the command for now and the permanent one."""
        self.assertEqual(
            "`firewall-cmd --zone=home --remove-service=ssh` and, permanently, "
            "`firewall-cmd --zone=home --permanent --remove-service=ssh`",
            removeCommands("home", "--remove-service=ssh"),
        )
