"""Puts a new configuration in place while the daemon runs."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import DeferredLock

from pkdoors.config.changes import (
    NEEDS_RESTART,
    REFUSED,
    RESTART,
    WOULD_REFUSE,
    describeChanges,
    findFixedChanges,
    findNewDoors,
    keepDoors,
)
from pkdoors.config.config import Config
from pkdoors.config.lastgood import LastGood
from pkdoors.daemon.audit import AuditFile
from pkdoors.daemon.hooks.runner import Hooks
from pkdoors.daemon.listening import IKnockPorts
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.errors import ConfigError, PkdoorsError
from pkdoors.events.event import RELOAD_REFUSED, RELOADED
from pkdoors.events.publisher import EventPublisher
from pkdoors.knockports.filters import knockFilters
from pkdoors.knockports.plan import Plan
from pkdoors.model.doors import listKnockPorts, listTcpKnockPorts
from pkdoors.util.turns import Beside, atOnce

FIREWALL_TIMEOUT = 10.0
"""Seconds that a reload waits for firewalld, which takes some tenths of a second."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """
    What a reload did.

    @ivar changes: what is different now, half a sentence for each change.
    @ivar troubles: what is not as it should be, a sentence for each trouble. The daemon tries again
        what firewalld refuses, until it succeeds.
    """

    changes: list[str]
    troubles: list[str]


def planFor(config: Config) -> Plan:
    """Return what a configuration listens on."""
    # To log every datagram, the kernel must not drop any.
    filters = {} if config.logKnocks else knockFilters(config.doors)
    doors = config.doors
    return Plan(
        tuple(listKnockPorts(doors)), config.interfaces, filters, tuple(listTcpKnockPorts(doors))
    )


def _explain(error: Exception) -> str:
    isExpected = isinstance(error, PkdoorsError)
    return str(error) if isExpected else f"a mistake of ours ({type(error).__name__})"


async def _ignore(config: Config) -> Iterable[str]:
    return ()


class Reloader:
    """
    Reads configurations, compares them, and puts them in place. A configuration that is correct,
    and that the guard can enforce, is put in place even if a knock port is busy, an address is
    missing, or a file of keys cannot be read: its doors are guarded then, and the rest is reported
    and tried again, as at a start.

    @param read: reads the configuration again; raises L{PkdoorsError}.
    @param ports: hears the knocks.
    @param onApplied: awaited with each configuration that is in place from now on; returns what is
        wrong with it, a sentence for each trouble.
    @param beside: does what takes long if there are many doors.
    @param mark: returns what changes with the files that a configuration comes from.
    @ivar config: the one that is in place.
    @ivar refusal: why the last reload was refused, a sentence; empty if it was not.
    @ivar pending: what has changed in the file since it was last read, as far as L{review} knows:
        half a sentence for each change.
    """

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        keeper: Doorkeeper,
        smith: Locksmith,
        publisher: EventPublisher,
        ports: IKnockPorts[Any],
        onApplied: Callable[[Config], Awaitable[Iterable[str]]] = _ignore,
        beside: Beside = atOnce,
        mark: Callable[[Config], object] = lambda config: None,
    ) -> None:
        self.config = config
        self.refusal = ""
        self.pending: list[str] = []
        self._read = read
        self._keeper = keeper
        self._smith = smith
        self._publisher = publisher
        self._ports = ports
        self._onApplied = onApplied
        self._beside = beside
        self._mark = mark
        self._known = mark(config)  # when the files were last read
        self._lock = DeferredLock()
        self._isStopped = False

    def check(self) -> None:
        """
        Check that the knocks can be heard.

        @raise ListenError: that needs more sockets than this process may have.
        """
        self._ports.check(planFor(self.config))

    def listen(self) -> None:
        """Begin to hear knocks, as far as the ports can be had."""
        self._ports.listen(planFor(self.config))

    def stop(self) -> None:
        """Hear nothing more, and refuse other configurations. Openings stay as they are."""
        self._isStopped = True
        self._ports.stop()
        self._smith.forgetWaiting()

    async def reload(self) -> Reloaded:
        """
        Read the configuration again, and put all of it in place in one step.

        @raise PkdoorsError: it is wrong, the guard cannot enforce it, or it needs more sockets than
            this process may have; nothing was changed.
        """
        changes, troubles = await self._lock.run(self._reload)
        if changes:
            troubles += await self._keeper.waitForOuter(FIREWALL_TIMEOUT)
        return Reloaded(changes, troubles)

    async def review(self) -> None:
        """
        Look whether somebody has changed the file since it was last read, and what a reload would
        change. A reload that is under way does that anyway.
        """
        if not self._lock.locked:
            await self._lock.run(self._review)

    async def _review(self) -> None:
        mark = self._mark(self.config)
        if mark == self._known:
            return
        try:
            self.pending = await self._beside(self._listPending)
        except Exception as error:
            self.pending = [f"{WOULD_REFUSE}: {_explain(error)}"]
        # What was refused is no longer in the file.
        self._known, self.refusal = mark, ""

    def _listPending(self) -> list[str]:
        config = self._read()
        fixed = [f"{key} changed, {NEEDS_RESTART}" for key in findFixedChanges(self.config, config)]
        return [*fixed, *describeChanges(self.config, config)]

    async def announceFirst(self) -> None:
        """Report that everything is in place, for the first time."""
        await self._lock.run(self._announceFirst)

    async def _announceFirst(self) -> None:
        await self._keeper.announce(self.config.doors)
        await self._onApplied(self.config)

    async def _reload(self) -> tuple[list[str], list[str]]:
        before, self._known, self.pending = self.config, self._mark(self.config), []
        try:
            self._checkNotStopped()
            config, changes, plan = await self._beside(self._readAndCompare)
            self._checkNotStopped()
            if changes:
                await self._apply(config, plan)
            else:
                self._ports.retry()  # somebody may have made room for us
        except Exception as error:
            reason = _explain(error)
            self.refusal = f"{REFUSED}: {reason}"
            self._publisher.publish(RELOAD_REFUSED, reason=reason)
            raise
        self.config, self.refusal = config, ""
        if before.fleet != config.fleet:  # another file may count
            self._known = self._mark(config)
        self._publisher.publish(RELOADED, reason="; ".join(changes) or "nothing has changed")
        weaknesses = await self._keeper.announce(findNewDoors(before, config))
        troubles = [*weaknesses, *self._ports.troubles(), *self._smith.examine()]
        return changes, [*troubles, *await self._onApplied(config)]

    def _checkNotStopped(self) -> None:
        if self._isStopped:
            raise ConfigError("the daemon is stopping: start it again")

    def _readAndCompare(self) -> tuple[Config, list[str], Plan]:
        """Return the new configuration, what it changes, and what it listens on."""
        config = keepDoors(self.config, self._read())
        changes = self._compare(config)
        if not changes:
            return config, changes, self._ports.plan
        self._keeper.foresee(config.doors)
        return config, changes, planFor(config)

    def _compare(self, config: Config) -> list[str]:
        fixed = findFixedChanges(self.config, config)
        if fixed:
            raise ConfigError(
                f"{', '.join(fixed)}: this cannot change while the daemon runs: {RESTART}"
            )
        return describeChanges(self.config, config)

    async def _apply(self, config: Config, plan: Plan) -> None:
        self._ports.check(plan)
        search = await self._ports.search(plan)
        try:
            self._checkNotStopped()
            await self._keeper.change(config.doors, config.maxOpenings)
        except BaseException:
            self._ports.giveUp(search)
            raise
        # From here on nothing can fail.
        self._smith.setDoors(config.doors)
        if self._isStopped:
            self._ports.giveUp(search)
            return
        await self._ports.use(search)


class ConfigFollowers:
    """
    What else has to know the configuration that is in place: the copy of the last good one, the
    hooks, and the audit file.

    @param beside: writes the copy, and looks at the hooks' files.
    """

    def __init__(
        self,
        lastGood: LastGood | None,
        hooks: Hooks,
        audit: AuditFile,
        beside: Beside = atOnce,
    ) -> None:
        self._lastGood = lastGood
        self._hooks = hooks
        self._audit = audit
        self._beside = beside

    async def apply(self, config: Config) -> list[str]:
        """Follow a configuration. Return what is wrong with it, a sentence for each trouble."""
        if config.firewall == "dry-run":
            return []
        lastGood = self._lastGood
        if lastGood is not None:
            await self._beside(lambda: lastGood.write(config.doors))
        troubles = await self._beside(lambda: self._hooks.examine(config.doors))
        return [*troubles, *self._audit.use(config.audit)]
