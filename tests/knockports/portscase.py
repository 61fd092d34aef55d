"""Knock ports on a host in memory."""

import errno

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports.knockports import KnockPorts
from pkdoors.knocks.knock import Knock
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

LATER = "198.51.100.1"
"""An address that the host does not have at first."""


def refuse(*arguments: object) -> None:
    """Refuse, as a kernel does without memory for it."""
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


class KnockPortsTestCase(SynchronousTestCase):
    """
    With a host.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        self.heard: list[Knock] = []
        self.changes = 0
        self.ports = KnockPorts(self.reactor, self.heard.extend)
        self.ports.onChange = self.changed

    def changed(self) -> None:
        """Count a change."""
        self.changes += 1

    def receive(self, interface: str, port: int, source: str) -> None:
        """Deliver a knock."""
        bound = self.host.find(interface, port)
        bound.reorderer.append((b"knock\n", (source, 5555)))
        readers = {each.fileno(): each for each in self.reactor.getReaders()}
        readers[bound.fileno()].doRead()
        self.reactor.advance(0)
