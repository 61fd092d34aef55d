"""Tests of L{pkdoors.firewall.firewalld._exposures}."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.firewalld.connection import BUS_NAME
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.survey import SurveyClient, surveyZones
from pkdoors.firewall.firewalld.zones import Exposure
from pkdoors.model.ports import PortRange
from tests.fakes.dbus import FakeDBus
from tests.fakes.firewalld import FakeFirewalld, FakeZoneSettings


class ExposureTests(SynchronousTestCase):
    """
    Tests of L{findExposures}, through L{surveyZones}.
    """

    def setUp(self) -> None:
        """Have a firewalld."""
        FakeDBus(BUS_NAME).install(self)
        self.firewalld = FakeFirewalld(Clock())

    def exposures(self, settings: FakeZoneSettings) -> list[Exposure]:
        """Return what a zone called public lets everybody reach."""
        self.firewalld.settings["public"] = settings
        (zone,) = surveyZones("", lambda name: SurveyClient(name, lambda: self.firewalld))
        return list(zone.exposures)

    def remedy(self, option: str) -> str:
        """Return the commands that remove something from it."""
        return (
            f"`firewall-cmd --zone=public {option}` and, permanently, "
            f"`firewall-cmd --zone=public --permanent {option}`"
        )

    def test_closed(self) -> None:
        """A zone that lets nobody in exposes nothing."""
        self.assertEqual([], self.exposures(FakeZoneSettings()))
        self.assertEqual([], self.exposures(FakeZoneSettings(target="DROP")))

    def test_target(self) -> None:
        """A zone whose target is ACCEPT exposes everything."""
        remedy = (
            "`firewall-cmd --permanent --zone=public --set-target=default && firewall-cmd --reload`"
        )
        self.assertEqual(
            [Exposure(None, "its target is ACCEPT", remedy)],
            self.exposures(FakeZoneSettings(target="ACCEPT")),
        )

    def test_ports(self) -> None:
        """Open ports expose something, too."""
        settings = FakeZoneSettings(ports=[("22", "tcp"), ("6000-6010", "udp"), ("9", "sctp")])
        self.assertEqual(
            [
                Exposure(
                    PortRange("tcp", 22, 22), "port 22/tcp", self.remedy("--remove-port=22/tcp")
                ),
                Exposure(
                    PortRange("udp", 6000, 6010),
                    "port 6000-6010/udp",
                    self.remedy("--remove-port=6000-6010/udp"),
                ),
            ],
            self.exposures(settings),
        )

    def test_services(self) -> None:
        """So do services, by their ports."""
        self.firewalld.services["http3"] = [("443", "tcp"), ("443", "udp"), ("", "ipv6-icmp")]
        remedy = self.remedy("--remove-service=http3")
        self.assertEqual(
            [
                Exposure(PortRange("tcp", 443, 443), "service http3", remedy),
                Exposure(PortRange("udp", 443, 443), "service http3", remedy),
            ],
            self.exposures(FakeZoneSettings(services=["http3"])),
        )

    def test_includes(self) -> None:
        """So do the services that a service includes, even if they include each other."""
        self.firewalld.services |= {"mine": [], "outer": []}
        self.firewalld.includes = {"outer": ["mine"], "mine": ["ssh", "outer"]}
        remedy = self.remedy("--remove-service=outer")
        self.assertEqual(
            [Exposure(PortRange("tcp", 22, 22), "service outer", remedy)],
            self.exposures(FakeZoneSettings(services=["outer"])),
        )

    def test_protocols(self) -> None:
        """So do protocols, with all their ports."""
        remedy = self.remedy("--remove-protocol=tcp")
        self.assertEqual(
            [Exposure(PortRange("tcp", 1, 65535), "protocol tcp", remedy)],
            self.exposures(FakeZoneSettings(protocols=["tcp"])),
        )

    def test_rules(self) -> None:
        """So do rich rules that accept from everybody; others do not, nor do ours."""
        rules = [
            'rule port port="22" protocol="tcp" accept',
            'rule service name="ssh" accept',
            'rule family="ipv4" source address="10.0.0.0/8" service name="ssh" accept',
            knockRule(17001),
        ]
        found = self.exposures(FakeZoneSettings(rules=rules))
        self.assertEqual([PortRange("tcp", 22, 22)] * 2, [exposure.ports for exposure in found])
        self.assertEqual(["a rich rule"] * 2, [exposure.what for exposure in found])
        self.assertEqual(
            [self.remedy(f"--remove-rich-rule='{rule}'") for rule in rules[:2]],
            [exposure.remedy for exposure in found],
        )
