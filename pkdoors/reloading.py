"""Reload: a new configuration is put in place while the daemon runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import DeferredLock

from pkdoors.bpf import knockFilters
from pkdoors.changes import changesOf, fixedChanges
from pkdoors.config import Config
from pkdoors.doors import knockPorts
from pkdoors.errors import ConfigError, PkdoorsError
from pkdoors.events import RELOAD_REFUSED, RELOADED
from pkdoors.herald import Herald
from pkdoors.inbox import Inbox
from pkdoors.keeper import Doorkeeper
from pkdoors.knock import Knock
from pkdoors.listener import Listener
from pkdoors.locksmith import Locksmith

PATIENCE = 10.0
"""Seconds that who asked for a reload waits for firewalld, which takes some tenths."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """
    What a reload did.

    @ivar changes: what is different now, half a sentence each.
    @ivar troubles: what is not as it should be, a sentence each. What firewalld refuses is tried
        again until it succeeds.
    """

    changes: list[str]
    troubles: list[str]


class Reloader:
    """
    Owns who listens.

    @param read: reads the configuration anew; raises L{PkdoorsError}.
    @param hear: who hears the knocks.
    @ivar config: the one that counts.
    @param taken: called with each configuration that is in place from now on; it gives what is not
        as it should be with it, a sentence each.
    """

    def __init__(
        self,
        reactor: Any,
        config: Config,
        read: Callable[[], Config],
        keeper: Doorkeeper,
        smith: Locksmith,
        herald: Herald,
        hear: Callable[[list[Knock]], None],
        taken: Callable[[Config], Iterable[str]] = lambda config: (),
    ) -> None:
        self._reactor = reactor
        self.config = config
        self._read = read
        self._keeper = keeper
        self._smith = smith
        self._herald = herald
        self._inbox = Inbox(reactor, hear)
        self._taken = taken
        self._lock = DeferredLock()
        self._isStopped = False
        self.listener = self._listenerFor(config)

    def _listenerFor(self, config: Config, before: Listener | None = None) -> Listener:
        # Who wants to see every datagram does not want the kernel to drop any.
        filters = {} if config.logKnocks else knockFilters(config.doors)
        return Listener(knockPorts(config.doors), config.interfaces, before, filters)

    def takeDrops(self) -> int:
        """See L{Listener.takeDrops}."""
        return self.listener.takeDrops()

    def listen(self) -> None:
        """Begin to hear knocks."""
        self.listener.listen(self._reactor, self._inbox)

    def stop(self) -> None:
        """Hear nothing any more, and take no other configuration: openings are left as they are."""
        self._isStopped = True
        self.listener.stop(self._reactor)
        self._inbox.close()

    async def reload(self) -> Reloaded:
        """
        Read the configuration anew, and put all of it in place in one step.

        @raise PkdoorsError: it is not fit, or cannot be put in place; nothing was changed.
        """
        changes, troubles = await self._lock.run(self._reload)
        if changes:
            troubles += await self._keeper.settle(PATIENCE)
        return Reloaded(changes, troubles)

    def begin(self) -> None:
        """All is in place, for the first time."""
        self._keeper.announce(self.config.doors)
        self._taken(self.config)

    async def _reload(self) -> tuple[list[str], list[str]]:
        before = self.config
        try:
            if self._isStopped:
                raise ConfigError("the daemon ends: start it again")
            config = self._read()
            changes = self._compare(config)
            if changes:
                await self._put(config)
        except Exception as error:
            reason = (
                str(error)
                if isinstance(error, PkdoorsError)
                else f"a mistake of ours ({type(error).__name__})"
            )
            self._herald.tell(RELOAD_REFUSED, reason=reason)
            raise
        self.config = config
        self._herald.tell(RELOADED, reason="; ".join(changes) or "nothing has changed")
        new = [door for door in config.doors if door not in before.doors]
        return changes, [*self._keeper.announce(new), *self._taken(config)]

    def _compare(self, config: Config) -> list[str]:
        fixed = fixedChanges(self.config, config)
        if fixed:
            raise ConfigError(
                f"{', '.join(fixed)}: this cannot be changed while the daemon runs: restart it"
            )
        return changesOf(self.config, config)

    async def _put(self, config: Config) -> None:
        # A file of keys that somebody has emptied since keeps nobody from reloading.
        known = {door.authorizedKeys for door in self.config.doors}
        self._smith.prepare(door for door in config.doors if door.authorizedKeys not in known)
        listener = self._listenerFor(config, self.listener)
        listener.bind()
        try:
            await self._keeper.change(config.doors)
        except BaseException:
            listener.close()
            raise
        # From here on nothing can fail.
        self._smith.adopt(config.doors)
        if self._isStopped:
            listener.close()
            return
        listener.listen(self._reactor, self._inbox)
        self.listener = listener
