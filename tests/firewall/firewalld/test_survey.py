"""Tests of L{pkdoors.firewall.firewalld.survey} and L{pkdoors.firewall.netlink.listing}."""

from threading import Event

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld.connection import BUS_NAME
from pkdoors.firewall.firewalld.survey import SurveyClient, isFirewalldThere, surveyZones, waitFor
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.firewall.netlink.listing import listTables
from tests.fakes.dbus import FakeDBus, FakeDBusException
from tests.fakes.firewalld import FakeFirewalld, FakeZoneSettings
from tests.fakes.nftables import FakeNftables


class SurveyTests(SynchronousTestCase):
    """
    Tests of L{SurveyClient}.
    """

    def setUp(self) -> None:
        """Have a firewalld."""
        self.bus = FakeDBus(BUS_NAME)
        self.bus.install(self)
        self.firewalld = FakeFirewalld(Clock())

    def survey(self, zone: str = "") -> list[Zone]:
        """Read the zones."""
        return surveyZones(zone, lambda name: SurveyClient(name, lambda: self.firewalld))

    def test_zones(self) -> None:
        """Each zone is read, with its exposures and its rules."""
        rule = 'rule priority="31337" port port="17001" protocol="udp" accept'
        self.firewalld.rules["public"][rule] = 0
        self.firewalld.settings["public"] = FakeZoneSettings("DROP", services=["ssh"])
        (zone,) = self.survey()
        self.assertEqual(("public", "DROP", (rule,)), (zone.name, zone.target, zone.rules))
        self.assertEqual(["service ssh"], [exposure.what for exposure in zone.exposures])

    def test_oneZone(self) -> None:
        """If a zone is given, only that one counts."""
        self.assertEqual(["internal"], [zone.name for zone in self.survey("internal")])

    def test_refused(self) -> None:
        """A refusal of firewalld's is one of our errors."""
        self.firewalld.refuse("getActiveZones", "", "FAILED")
        self.assertRaises(FirewallError, self.survey)

    def test_running(self) -> None:
        """The bus is asked whether firewalld runs."""
        self.assertTrue(isFirewalldThere())
        self.bus.names = ()
        self.assertFalse(isFirewalldThere())


class WithinTests(SynchronousTestCase):
    """
    Tests of L{waitFor}.
    """

    def test_answers(self) -> None:
        """The result is returned, and an error is raised."""

        def fail() -> None:
            raise FakeDBusException("no")

        self.assertEqual(7, waitFor(60, lambda: 7))
        self.assertRaises(FakeDBusException, waitFor, 60, fail)

    def test_hangs(self) -> None:
        """If the work takes too long, it is left, and the message says what to do."""
        forever = Event()
        self.addCleanup(forever.set)
        error = self.assertRaises(FirewallError, waitFor, 0.01, forever.wait)
        self.assertIn("did not answer within 10ms: ", str(error))


class ListTablesTests(SynchronousTestCase):
    """
    Tests of L{listTables}.
    """

    def test_listing(self) -> None:
        """The output of libnftables is returned, as JSON."""
        library = FakeNftables()
        library.ruleset = '{"nftables": []}'
        self.assertEqual(library.ruleset, listTables(lambda: library, lambda: None))

    def test_refused(self) -> None:
        """A message of libnftables' in its place is an error."""
        library = FakeNftables()
        error = self.assertRaises(FirewallError, listTables, lambda: library, lambda: None)
        self.assertEqual(
            "cannot read the rules of nftables (Error: Invalid argument): try `nft list ruleset`",
            str(error),
        )
