"""What the daemon has beside its doors."""

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from pkdoors.config.config import Config
from pkdoors.errors import PkdoorsError


class Component:
    """
    Something that starts and stops with the daemon; a method that it does not have does nothing.
    Components start when the guard is in place, before a knock is heard, and stop after the doors.
    They may hear of events before they start.
    """

    def prepare(self) -> None:
        """
        Acquire whatever may be refused. Called before a daemon forks, while there is a terminal.

        @raise PkdoorsError: it was refused.
        """

    def start(self) -> None:
        """Begin. Called after the fork, mostly before the reactor runs; raises nothing."""

    def ready(self) -> None:
        """Do what must wait until the doors are guarded, knocks are heard, and the reactor runs."""

    def reopen(self) -> None:
        """Open a file again that somebody may have moved away to rotate logs."""

    def stop(self) -> Deferred[None]:
        """
        End.

        @return: fires when that is done, and never fails.
        """
        return succeed(None)


class Optional(Component):
    """A component that only some configurations need."""

    def use(self, config: Config) -> None:
        """Follow another configuration that needs it."""

    def troubles(self) -> list[str]:
        """Return what it cannot do, a sentence each."""
        return []


class OnDemand(Component):
    """
    A component that exists only while the configuration needs it: nothing of it is loaded before.

    @param isNeeded: returns whether a configuration needs it.
    @param make: returns the component for a configuration.
    """

    def __init__(
        self,
        config: Config,
        isNeeded: Callable[[Config], bool],
        make: Callable[[Config], Optional],
    ) -> None:
        self._isNeeded = isNeeded
        self._make = make
        self._part = make(config) if isNeeded(config) else None
        self._isReady = self._isStopped = False

    def prepare(self) -> None:
        """See L{Component.prepare}."""
        if self._part is not None:
            self._part.prepare()

    def start(self) -> None:
        """See L{Component.start}."""
        if self._part is not None:
            self._part.start()

    def ready(self) -> None:
        """See L{Component.ready}."""
        self._isReady = True
        if self._part is not None:
            self._part.ready()

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        self._isStopped = True
        part, self._part = self._part, None
        return succeed(None) if part is None else part.stop()

    def troubles(self) -> list[str]:
        """Return what the component cannot do, a sentence each."""
        return [] if self._part is None else self._part.troubles()

    async def apply(self, config: Config) -> list[str]:
        """
        Follow a configuration that is in place. Return what is wrong with it, a sentence for each
        trouble.
        """
        part = self._part
        if self._isStopped or (part is None and not self._isNeeded(config)):
            return []
        if part is None:
            return self._begin(config)
        if self._isNeeded(config):
            part.use(config)
            return []
        self._part = None
        await part.stop()
        return []

    def _begin(self, config: Config) -> list[str]:
        troubles = []
        self._part = part = self._make(config)
        try:
            part.prepare()
        except PkdoorsError as error:
            troubles.append(str(error))
        part.start()
        if self._isReady:
            part.ready()
        return troubles
