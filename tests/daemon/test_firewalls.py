"""Tests of L{pkdoors.daemon.firewalls}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.daemon.firewalls import chooseFirewalls
from pkdoors.firewall.dryrun import DryRunFirewall
from pkdoors.firewall.firewalld.firewall import FirewalldFirewall
from pkdoors.firewall.netlink.logsocket import PacketLog
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from tests.fakes.dbus import FakeDBus
from tests.fakes.doors import makeDoor
from tests.fakes.modules import replaceModule
from tests.fakes.reactor import FakeReactor


class ChooseFirewallTests(SynchronousTestCase):
    """
    Tests of L{chooseFirewalls}.
    """

    def choose(self, firewall: str) -> list[type]:
        """Return the types that are chosen, the innermost first."""
        config = Config((makeDoor(),), firewall=firewall)
        return [type(each) for each in chooseFirewalls(config, FakeReactor())]

    def test_named(self) -> None:
        """
        A firewall that is named is used, without a look whether it runs; with firewalld there is
        always the guard behind it.
        """
        replaceModule(self, "dbus", None)
        replaceModule(self, "nftables", None)
        self.assertEqual([NftablesFirewall], self.choose("nftables"))
        self.assertEqual([NftablesFirewall, FirewalldFirewall], self.choose("firewalld"))
        self.assertEqual([DryRunFirewall], self.choose("dry-run"))

    def test_captured(self) -> None:
        """If knocks are captured, the guard has rules for that, and firewalld none for knocks."""
        config = Config((makeDoor(),), firewall="firewalld", logKnocks=True)
        for log in (None, PacketLog()):
            guard, outer = chooseFirewalls(config, FakeReactor(), log)
            assert isinstance(guard, NftablesFirewall) and isinstance(outer, FirewalldFirewall)
            self.assertEqual(log is None, outer._zoneDoors._standing._letsKnocksIn)
            hearsAll = None if guard._capturing is None else guard._capturing._hearsAll
            self.assertEqual(None if log is None else True, hearsAll)

    def test_autoWithFirewalld(self) -> None:
        """C{auto} means firewalld if it runs."""
        FakeDBus("org.fedoraproject.FirewallD1").install(self)
        self.assertEqual([NftablesFirewall, FirewalldFirewall], self.choose("auto"))

    def test_autoWithoutFirewalld(self) -> None:
        """C{auto} means nftables alone if firewalld does not run."""
        FakeDBus().install(self)
        self.assertEqual([NftablesFirewall], self.choose("auto"))

    def test_autoWithoutBus(self) -> None:
        """C{auto} means nftables alone if there is no D-Bus."""
        bus = FakeDBus()
        bus.names = None
        bus.install(self)
        self.assertEqual([NftablesFirewall], self.choose("auto"))
