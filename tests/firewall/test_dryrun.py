"""Tests of L{pkdoors.firewall.dryrun}."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.firewall.dryrun import DryRunFirewall
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor, makeOpening
from tests.fakes.log import Log


class DryRunFirewallTests(SynchronousTestCase):
    """
    Tests of L{DryRunFirewall}.
    """

    def setUp(self) -> None:
        """Make the firewall."""
        self.log = Log(self)
        self.clock = Clock()
        self.firewall = DryRunFirewall(self.clock)

    def test_interface(self) -> None:
        """It is an L{IFirewall} called dry-run."""
        verifyObject(IFirewall, self.firewall)
        self.assertEqual("dry-run", self.firewall.name)

    def test_prepare(self) -> None:
        """Preparing logs nothing."""
        self.firewall.prepare((makeDoor(),))
        self.assertEqual([], self.log.lines())

    def test_start(self) -> None:
        """Starting logs which doors would be kept closed."""
        self.firewall.start((makeDoor(), makeDoor(ports="80", name="web")), print)
        self.assertEqual(
            [
                "dry run: would keep door default (22/tcp) closed",
                "dry run: would keep door web (80/tcp) closed",
            ],
            self.log.lines(),
        )

    def test_keep(self) -> None:
        """A reload logs them, too."""
        self.firewall.setDoors((makeDoor(), makeDoor(trusted=parseTrustedList("10.0.0.0/8,wg0"))))
        line = "dry run: would keep door default (22/tcp) closed"
        self.assertEqual([line, f"{line}, except to 10.0.0.0/8, wg0"], self.log.lines())

    def test_open(self) -> None:
        """Opening logs the source and the time."""
        self.clock.advance(10)
        self.successResultOf(self.firewall.open(makeOpening(deadline=100.0)))
        self.assertEqual(
            ["dry run: would open door default (22/tcp) for 203.0.113.9, 1m30s"], self.log.lines()
        )

    def test_close(self) -> None:
        """Closing logs the source."""
        self.successResultOf(self.firewall.close(makeOpening("2001:db8::7")))
        self.assertEqual(
            ["dry run: would close door default (22/tcp) for 2001:db8::7"], self.log.lines()
        )

    def test_stop(self) -> None:
        """The stop has finished at once."""
        self.successResultOf(self.firewall.stop())
