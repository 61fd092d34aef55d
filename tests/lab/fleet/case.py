"""What the tests of a fleet have in common."""

from tests.lab.case import HostsTestCase
from tests.lab.fleet.fleet import Fleet
from tests.lab.hosts import Host


class FleetTestCase(HostsTestCase):
    """
    An engine, hosts of a fleet, a client and a stranger on one network.

    @cvar names: the hosts of the fleet. Those whose names begin with C{edge} hear knocks, the
        others listen on no UDP port.
    @cvar program: the engine's.
    @cvar trust: the hosts whose word counts for the address of an unbound seal.
    @cvar whenAlone: what happens to unbound seals if the engine is away.
    @cvar door: more settings of the door.
    """

    names: tuple[str, ...] = ("edge1", "web1")
    program = "redis-server"
    trust: tuple[str, ...] = ()
    whenAlone = "local"
    door = ""

    def setUp(self) -> None:
        """Start a fleet."""
        super().setUp()
        self.fleet = Fleet(
            self.folder,
            self.names,
            program=self.program,
            trust=self.trust,
            whenAlone=self.whenAlone,
            door=self.door,
        )
        self.addCleanup(self.fleet.close)
        self.fleet.start()
        self.lan, self.engine = self.fleet.lan, self.fleet.engine
        self.client, self.stranger = self.fleet.client, self.fleet.stranger
        self.members = self.fleet.members

    def assertOpen(self, *names: str, client: Host | None = None) -> None:
        """Assert that hosts come to be open for a client."""
        for name in names:
            member = self.members[name]
            self.assertTrue(member.comesToBeOpenFor(client or self.client), member.daemon.log())

    def assertShut(self, *names: str, client: Host | None = None) -> None:
        """Assert that hosts are not open for a client now."""
        for name in names:
            self.assertFalse(self.members[name].isOpenFor(client or self.client), name)
