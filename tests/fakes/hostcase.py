"""A host with firewalld, in memory."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host import clientaddress
from tests.fakes.firewall import FakeFirewall
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor


class HostTestCase(SynchronousTestCase):
    """Has a reactor, a log, and a host with two firewalls: the guard, and firewalld around it."""

    def setUp(self) -> None:
        """Make them. The host has one network, whatever this machine has."""
        self.patch(clientaddress, "readLinks", lambda: "fe80::1 02 40 20 80 eth0\n")
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        clock: Any = self.reactor
        self.guard = FakeFirewall(clock, "nftables")
        self.outer = FakeFirewall(clock, "firewalld")
        self.outer.isForgetful = True
