"""Tests of L{pkdoors.firewall.firewalld._admission}."""

from collections.abc import Iterable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.firewalld._admission import (
    NOTHING,
    Admission,
    KnownAdmission,
    findAdmission,
)
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.model.ports import PortRange, parsePortRanges
from tests.fakes.dbus import FakeDBus
from tests.fakes.firewalld import FakeFirewalld, FakeZoneSettings

SSH = parsePortRanges("22")
WEB = parsePortRanges("80,443")


class AdmissionTests(SynchronousTestCase):
    """
    Tests of L{Admission}.
    """

    def setUp(self) -> None:
        """Have two zones, one of which lets more through."""
        self.admission = Admission(
            {"public": parsePortRanges("22,53/udp"), "internal": parsePortRanges("20-30,80,443")}
        )

    def test_admits(self) -> None:
        """A zone admits ports if it lets through each of them, over their protocol."""
        for zone, ports, isAdmitted in (
            ("public", "22", True),
            ("public", "53/udp", True),
            ("public", "53", False),
            ("public", "22,80", False),
            ("internal", "20-30", True),
            ("internal", "25,443", True),
            ("internal", "20-31", False),
            ("elsewhere", "22", False),
        ):
            found = self.admission.admits(zone, parsePortRanges(ports))
            self.assertEqual(isAdmitted, found, (zone, ports))

    def test_everywhere(self) -> None:
        """Only what all zones admit is admitted everywhere; if there are no zones, nothing is."""
        self.assertTrue(self.admission.admitsEverywhere(iter(SSH)))
        self.assertFalse(self.admission.admitsEverywhere(iter(WEB)))
        self.assertFalse(NOTHING.admitsEverywhere(SSH))

    def test_lacks(self) -> None:
        """It lacks ports if one zone admitted them before and does not now."""
        fewer = Admission({"public": SSH, "internal": SSH})
        self.assertTrue(fewer.lacks(self.admission, [SSH, WEB]))
        self.assertFalse(fewer.lacks(self.admission, [SSH]))
        self.assertFalse(self.admission.lacks(fewer, [SSH, WEB]))
        self.assertTrue(Admission({"public": SSH}).lacks(fewer, [SSH]))


class FindTests(SynchronousTestCase):
    """
    Tests of L{findAdmission} and L{KnownAdmission}.
    """

    def setUp(self) -> None:
        """Have a firewalld."""
        FakeDBus().install(self)
        self.firewalld = FakeFirewalld(Clock())
        self.client = ZoneClient("", lambda: self.firewalld)

    def find(self, settings: FakeZoneSettings) -> Iterable[PortRange]:
        """Return what a zone lets through."""
        self.firewalld.settings["public"] = settings
        return findAdmission(["public"], self.client.ask).zones["public"]

    def test_nothing(self) -> None:
        """A zone without settings lets nothing through."""
        self.assertEqual((), self.find(FakeZoneSettings()))

    def test_ports(self) -> None:
        """Ports count; neighbours are merged, and protocols without such ports do not count."""
        settings = FakeZoneSettings(
            ports=[("22", "tcp"), ("23-30", "tcp"), ("9", "sctp"), ("53", "udp")]
        )
        self.assertEqual(parsePortRanges("22-30,53/udp"), self.find(settings))

    def test_services(self) -> None:
        """Services count, and those that they include."""
        self.firewalld.services |= {"web": [("80", "tcp")], "all": [("", "icmp")]}
        self.firewalld.includes["all"] = ["web", "ssh"]
        self.assertEqual(parsePortRanges("22,80"), self.find(FakeZoneSettings(services=["all"])))

    def test_destinations(self) -> None:
        """A service that only some addresses of the host offer does not count."""
        self.firewalld.destinations["ssh"] = {"ipv6": "fe80::/64"}
        self.assertEqual((), self.find(FakeZoneSettings(services=["ssh"])))

    def test_protocols(self) -> None:
        """A whole protocol counts."""
        self.assertEqual(
            parsePortRanges("1-65535/udp"), self.find(FakeZoneSettings(protocols=["udp", "gre"]))
        )

    def test_target(self) -> None:
        """A zone that accepts everything lets all ports through; other targets, none."""
        everything = parsePortRanges("1-65535,1-65535/udp")
        self.assertEqual(everything, self.find(FakeZoneSettings(target="ACCEPT")))
        for target in ("default", "DROP", "%%REJECT%%"):
            self.assertEqual((), self.find(FakeZoneSettings(target=target)))

    def test_richRules(self) -> None:
        """Rich rules do not count: they may be for one family, or have a limit."""
        rule = 'rule family="ipv4" port port="22" protocol="tcp" accept'
        self.assertEqual((), self.find(FakeZoneSettings(rules=[rule])))

    def test_panic(self) -> None:
        """In panic mode nothing gets through, whatever the zones say."""
        self.firewalld.isPanicking = True
        self.assertIs(NOTHING, findAdmission(["public"], self.client.ask))

    def test_refused(self) -> None:
        """A zone that firewalld does not describe lets nothing through; another one does."""
        self.firewalld.settings["public"] = FakeZoneSettings(services=["ssh"])
        self.firewalld.settings["internal"] = FakeZoneSettings(ports=[("22", "tcp")])
        self.firewalld.refuse("getServiceSettings", "ssh", "INVALID_SERVICE: ssh")
        found = findAdmission(iter(["public", "internal"]), self.client.ask)
        self.assertEqual({"public": (), "internal": SSH}, found.zones)
        self.firewalld.refuse("queryPanicMode", "", "denied", "org.freedesktop.AccessDenied")
        found = findAdmission(iter(["public", "internal"]), self.client.ask)
        self.assertEqual({"public": (), "internal": ()}, found.zones)

    def test_known(self) -> None:
        """What openings rely on may become too little; a panic takes nothing away for ever."""
        known = KnownAdmission()

        def learn(*ports: tuple[str, str]) -> bool:
            self.firewalld.settings["public"] = FakeZoneSettings(ports=ports)
            known.learn(["public"], self.client.ask)
            return known.isTooLittle([SSH])

        self.assertFalse(known.isKnown)
        self.assertFalse(learn(("22", "tcp")))
        self.assertTrue(known.isKnown)
        self.firewalld.isPanicking = True
        self.assertFalse(learn(("22", "tcp")))
        self.assertIs(NOTHING, known.current)
        self.firewalld.isPanicking = False
        self.assertTrue(learn())
        self.assertFalse(learn())
        self.assertFalse(learn(("22", "tcp")))
        known.forget()
        self.assertEqual((NOTHING, False), (known.current, known.isKnown))
