"""A whole daemon, of which only sockets and firewall are not real."""

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.daemon.component import Component
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.daemon.service import DoorService
from pkdoors.errors import (
    FirewallError,
    PkdoorsError,
)
from pkdoors.firewall.interface import IFirewall
from pkdoors.host.instance import Instance
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.firewall import FakeFirewall
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor
from tests.lab.sealing import leaveNotes

NO = FirewallError("no privilege")

TODAY = 1_800_000_000

ANN = "203.0.113.9"


class ServiceTestCase(SynchronousTestCase):
    """
    A whole daemon, of which only sockets and firewall are not real.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.folder = Path(self.mktemp())
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        clock: Any = self.reactor
        self.firewall = FakeFirewall(clock)
        self.service = self.makeService(self.firewall)

    def makeService(
        self,
        firewall: IFirewall,
        logKnocks: bool = False,
        notes: tuple[str, ...] = (),
        ports: tuple[int, ...] = PORTS,
        cutSessions: bool = False,
        authorizedKeys: str = "",
        **fields: Any,
    ) -> DoorService:
        """Return a daemon with one door, which can have other fields."""
        door = makeDoor(ports, cutSessions=cutSessions, authorizedKeys=authorizedKeys, **fields)
        self.instance = Instance(self.folder)
        seenPath = self.folder.with_name("notes") / "x.seen"
        if not seenPath.exists():
            leaveNotes(seenPath)
        replayFile = ReplayFile(seenPath, self.reactor.seconds)
        self.addCleanup(replayFile.close)
        config = Config((door,), notes=notes, logKnocks=logKnocks)
        self.daemon = MemoryDaemon(self.reactor, [firewall], config, replayFile, lambda: TODAY)
        return self.daemon.makeService(self.instance)

    def start(self) -> None:
        """Start it as twistd does."""
        self.service.prepare()
        self.service.privilegedStartService()
        self.service.startService()
        if not self.reactor.running:
            self.reactor.begin()

    def receive(self, *ports: int, source: str = "203.0.113.9", interface: str = "0.0.0.0") -> None:
        """Deliver knocks."""
        for port in ports:
            bound = self.host.find(interface, port)
            bound.reorderer.append((b"knock\n", (source, 5555)))
            for reader in self.reactor.getReaders():
                reader.doRead()
            self.reactor.advance(0)


class FakeComponent(Component):
    """
    A component that notes what it hears.

    @param diary: where it writes what it is told.
    @ivar error: what it refuses to be prepared with.
    """

    def __init__(self, name: str, diary: list[str]) -> None:
        self._name = name
        self._diary = diary
        self.error: PkdoorsError | None = None

    def _note(self, call: str) -> None:
        self._diary.append(f"{self._name}: {call}")

    def prepare(self) -> None:
        """See L{Component}."""
        self._note("prepare")
        if self.error:
            raise self.error

    def start(self) -> None:
        """See L{Component}."""
        self._note("start")

    def ready(self) -> None:
        """See L{Component}."""
        self._note("ready")

    def reopen(self) -> None:
        """See L{Component}."""
        self._note("reopen")

    def stop(self) -> Deferred[None]:
        """See L{Component}."""
        self._note("stop")
        return succeed(None)
