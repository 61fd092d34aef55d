"""A whole daemon in memory."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pkdoors.admin.operations import Operations
from pkdoors.config.config import Config
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.daemon.rates import Rates
from pkdoors.daemon.reload import Reloader
from pkdoors.daemon.sealturns import SealTurns
from pkdoors.daemon.service import DoorService
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.events.counters import Counters
from pkdoors.events.event import Event
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.instance import Instance
from pkdoors.knockports.knockports import KnockPorts
from pkdoors.model.doors import Door

TODAY = 1_800_000_000.0
"""The time of day at which the fake clock begins, in seconds since 1970."""


class MemoryDaemon:
    """
    A daemon whose parts are all real, except for what the test passes: the clock, the firewalls,
    and, by a L{tests.fakes.host.FakeHost}, the sockets.

    @param clock: a reactor, or just a clock if the test opens no knock ports.
    @param firewalls: the innermost first.
    @param wallClock: the time of day; by default it begins at L{TODAY} and passes with the clock.
    @ivar config: the configuration that a reload reads.
    @ivar error: what is wrong with it.
    @ivar mark: what changes with the configuration file.
    @ivar applied: the configurations that were put in place.
    @ivar complaints: what was wrong then.
    @ivar events: what has happened.
    """

    def __init__(
        self,
        clock: Any,
        firewalls: Sequence[IFirewall],
        config: Config | Iterable[Door],
        replayFile: ReplayFile | None = None,
        wallClock: Callable[[], float] | None = None,
    ) -> None:
        self.clock = clock
        self.config = config if isinstance(config, Config) else Config(tuple(config))
        self.error: Exception | None = None
        self.mark: tuple[int, ...] | None = (0,)
        self.applied: list[Config] = []
        self.complaints: list[str] = []
        self.events: list[Event] = []
        self.counters = Counters()
        self.publisher = EventPublisher(wallClock or (lambda: TODAY + clock.seconds()))
        self.publisher.subscribe(self.counters.hear)
        self.publisher.subscribe(self.events.append)
        self.stack = FirewallStack(clock, firewalls, self.publisher)
        makeReplayFile = (lambda: replayFile) if replayFile else None
        self.smith = Locksmith(self.config.doors, makeReplayFile, clock.seconds)
        self.keeper = Doorkeeper(
            clock,
            self.stack,
            self.config.doors,
            self.publisher,
            self.smith.make,
            self.counters,
            logKnocks=self.config.logKnocks,
            maxOpenings=self.config.maxOpenings,
        )
        self.keeper.onClose = self._noteClosing
        self.ports = KnockPorts(clock, self.keeper.hear)
        self.rates = Rates(clock, self.counters)
        self.reloader = Reloader(
            self.config,
            self.read,
            self.keeper,
            self.smith,
            self.publisher,
            self.ports,
            self.apply,
            mark=lambda config: self.mark,
        )

    def _noteClosing(self, door: str, source: str) -> None:
        self.smith.noteClosing(door, source, self.publisher.wallClock())

    def read(self) -> Config:
        """Read the configuration again."""
        if self.error:
            raise self.error
        return self.config

    async def apply(self, config: Config) -> list[str]:
        """Follow a configuration that is in place."""
        self.applied.append(config)
        return self.complaints

    def makeOperations(self, *troubles: str) -> Operations:
        """Return the operator's commands; with what keeps the daemon from doing all it should."""
        return Operations(
            self.clock,
            self.keeper,
            self.reloader,
            self.publisher,
            self.counters,
            self.stack,
            self.rates,
            lambda: [*troubles],
            "capture",
        )

    def makeService(self, instance: Instance) -> DoorService:
        """Return the service, not started yet."""
        turns = SealTurns(self.clock, self.publisher.wallClock, self.smith, self.keeper.heed)
        return DoorService(
            reactor=self.clock,
            keeper=self.keeper,
            reloader=self.reloader,
            instance=instance,
            smith=self.smith,
            publisher=self.publisher,
            firewallName=self.stack.name,
            components=[turns],
        )
