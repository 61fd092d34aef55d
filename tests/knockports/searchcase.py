"""A host whose UDP ports are searched."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports._ordering import Reorderer
from pkdoors.knockports._socket import KnockSocket
from pkdoors.knockports.binding import Endpoint
from pkdoors.knockports.plan import Plan
from pkdoors.knockports.search import Search
from tests.fakes.bpf import run
from tests.fakes.host import FakeHost, FakeReceiver
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

NEVER = "198.51.100.1"
"""An address that the host does not have."""


class SearchTestCase(SynchronousTestCase):
    """
    With a host.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.held: dict[Endpoint, KnockSocket] = {}

    def search(self, *ports: int, interfaces: tuple[str, ...] = (), **fields: Any) -> Search:
        """Open what a plan lacks."""
        return Search(Plan(ports, interfaces, **fields), self.held).now()

    def hold(self, search: Search) -> None:
        """Use what was found, and close what is not needed."""
        reactor = FakeReactor()
        clock: Any = reactor
        reorderer = Reorderer(clock, lambda knocks: None)
        for place in list(self.held):
            if not search.isKept(place):
                self.held.pop(place)._socket.close()
        for place, bound in search.fresh.items():
            receiver: Any = FakeReceiver(100)
            self.held[place] = KnockSocket(bound, reorderer, receiver)

    def reasons(self, search: Search) -> set[str]:
        """Return why ports could not be had."""
        return {each.reason for each in search.failures}

    def hears(self, place: Endpoint, to: str) -> bool:
        """Return whether the socket at an endpoint hears a datagram to an address."""
        program = self.host.find(*place).program
        return not program or run(program, bytes(14), to) > 0
