"""The daemon as Twisted's service: starts and stops its components in the right order."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from pkdoors.daemon.component import Component
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.reload import Reloaded, Reloader
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.openings.state import OpeningStatus
from pkdoors.errors import FirewallError, PkdoorsError
from pkdoors.events.event import STOPPED
from pkdoors.events.publisher import EventPublisher
from pkdoors.host.instance import AlreadyRunning, Instance, InstanceError
from pkdoors.model.doors import Door, Opening

if TYPE_CHECKING:
    from pkdoors.doorkeeper.control import Closed, DoorControl


class DoorService(Service):
    """
    Guards its doors as soon as it starts, in whichever of Twisted's ways: C{twistd} calls
    L{privilegedStartService} and then L{startService}; C{twist} and many applications call only the
    latter. It starts once; after its end, make another one.

    The guard comes first. Troubles elsewhere (a busy knock port, a missing address, the file of
    keys, the admin socket) do not prevent guarding: each is a warning, and is tried again if
    possible.

    An application that embeds the service (L{pkdoors.tap.makeDoorService}) uses L{doors},
    L{openings}, L{open}, L{close} and L{reload}; from the reactor's thread, as is usual. Their
    errors are L{PkdoorsError}s, whose text is one sentence for people.

    @param reactor: its clock must not jump: a deadline is not a time of day.
    @param components: everything else that starts and stops with it.
    @param keepClosed: called if the guard cannot be put in place. It keeps the ports closed in
        another way, and returns the end of a sentence that says so, or nothing.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        keeper: Doorkeeper,
        reloader: Reloader,
        instance: Instance,
        smith: Locksmith,
        publisher: EventPublisher,
        firewallName: str,
        components: Sequence[Component] = (),
        keepClosed: Callable[[], str] = lambda: "",
    ) -> None:
        self._reactor = reactor
        self._keeper = keeper
        self._reloader = reloader
        self._instance = instance
        self._smith = smith
        self._publisher = publisher
        self._firewallName = firewallName
        self._components = components
        self._keepClosed = keepClosed
        self._isPrepared = False
        self._hasBegun = False
        self._isGuarding = False

    @property
    def doors(self) -> tuple[Door, ...]:
        """The doors of the configuration that is in place."""
        return self._keeper.doors

    def openings(self) -> list[Opening]:
        """
        Return what is open now. A deadline is in seconds of L{time.monotonic}.
        """
        return self._keeper.openings()

    def open(self, source: str, door: str = "", seconds: float = 0.0) -> Deferred[OpeningStatus]:
        """
        Open a door for an address, as C{pkdoors open} does, or move the deadline of its opening to
        a later time.

        @param source: an IPv4 or IPv6 address.
        @param door: the door's name; empty for the only door.
        @param seconds: 0 for the door's own time.
        @return: fires when every firewall has opened it. Fails with L{NotFound} or L{BadValue} if
            the request is wrong, and with L{FirewallError} if the firewall refuses, does not answer
            within some seconds, or the service does not run.
        """
        if not self._isGuarding:
            return fail(FirewallError("the doors are not guarded now: the service does not run"))
        return Deferred.fromCoroutine(self._control().open(source, door, seconds))

    def close(self, door: str = "", source: str = "") -> "Deferred[Closed]":
        """
        Close openings, as C{pkdoors close} does.

        @param door: the name of the only door to close; empty for all.
        @param source: the only address to close for; empty for all.
        @return: fires when that is done, or if firewalld does not answer in time. Then the guard in
            the kernel has closed already, and L{Closed.closing} lists what firewalld has not.
            Fails with L{NotFound} or L{BadValue} if the request is wrong, and with L{FirewallError}
            if the service does not run.
        """
        if not self._isGuarding:
            return fail(FirewallError("the doors are not guarded now: the service does not run"))
        return Deferred.fromCoroutine(self._control().close(door, source))

    def _control(self) -> "DoorControl":
        from pkdoors.doorkeeper.control import DoorControl  # most daemons never need it

        return DoorControl(self._reactor, self._keeper)

    def reload(self) -> Deferred[Reloaded]:
        """
        Read the configuration again, as C{pkdoors reload} does, and put it in place in one step.

        @return: fires with what has changed. Fails with L{PkdoorsError} if the configuration is
            wrong, or the firewall refuses; then nothing was changed.
        """
        if not self._hasBegun:
            return fail(FirewallError("the doors are not guarded now: the service does not run"))
        for component in self._components:
            component.reopen()
        return Deferred.fromCoroutine(self._reloader.reload())

    def prepare(self) -> None:
        """
        Check that the guard can be put in place, while there is a terminal to complain to: twistd
        daemonises only after this. No knock port is taken before the guard is there. The start does
        this if nobody else has.

        @raise PkdoorsError: the firewall cannot be used, another daemon runs, or the knock ports
            need more sockets than this process may have. Nothing was changed.
        """
        self._instance.refuseSecond()
        self._reloader.check()
        self._keeper.prepare()
        try:
            self._instance.take()
        except AlreadyRunning:
            raise
        except InstanceError as error:
            self._log.warn("{error}: a second daemon would not be noticed", error=error)
        for component in self._components:
            try:
                component.prepare()
            except PkdoorsError as error:
                self._log.warn("{error}", error=error)
        self._isPrepared = True

    def privilegedStartService(self) -> None:
        """
        Close the doors, then listen: in this order, so nothing is open in between.

        @raise PkdoorsError: the firewall refused.
        """
        super().privilegedStartService()
        try:
            self._begin()
        except PkdoorsError as error:
            self._log.critical("not started: {error}", error=error)
            error.isLogged = True  # the log has begun if somebody calls this
            raise

    def startService(self) -> None:
        """
        Close the doors and listen, unless L{privilegedStartService} has done so.

        @raise PkdoorsError: the firewall refused, or the service has ended: it guards nothing.
        """
        self._begin()
        super().startService()

    def _begin(self) -> None:
        if self._isGuarding:
            return
        if self._hasBegun:
            raise FirewallError("this service has ended, or could not start: make another one")
        self._hasBegun = True
        self._guard()
        # Whatever reads files comes after the guard: a file may be on a disk that hangs.
        self._smith.start()
        for component in self._components:
            component.start()
        self._smith.examine()
        self._reloader.listen()
        self._reactor.callWhenRunning(self._ready)

    def _guard(self) -> None:
        try:
            if not self._isPrepared:
                self.prepare()
            self._instance.sign()  # again: twistd may have forked
            self._keeper.start()
        except AlreadyRunning:
            raise
        except Exception as error:  # a mistake of ours must not leave the ports open
            self._instance.give()  # or keepClosed would take us for another daemon
            kept = self._keepClosed()
            if isinstance(error, OSError) or (kept and isinstance(error, PkdoorsError)):
                raise FirewallError(f"{error}{kept}") from error
            raise
        self._isGuarding = True

    def stopService(self) -> Deferred[None]:
        """
        Stop listening, then let go of the firewall, which keeps the doors closed. A service that
        never began has nothing to let go.
        """
        super().stopService()
        self._reloader.stop()
        isGuarding, self._isGuarding = self._isGuarding, False
        return Deferred.fromCoroutine(self._stop(isGuarding))

    async def _stop(self, isGuarding: bool) -> None:
        letIn = Counter(opening.door.name for opening in self._keeper.openings())
        if isGuarding:
            await self._keeper.stop()
        self._instance.give()
        for door in self._keeper.doors if isGuarding else ():
            reason = self._describeEnd(door, letIn[door.name])
            self._publisher.publish(STOPPED, door=door, reason=reason)
        for component in reversed(self._components if isGuarding else ()):
            await component.stop()

    def _describeEnd(self, door: Door, letIn: int) -> str:
        """Return how a door is left that is open for so many addresses."""
        if self._firewallName == "dry-run":
            return "was never touched"
        addresses = "1 address" if letIn == 1 else f"{letIn} addresses"
        if not door.ports:
            opened = f"stays open for {addresses}; the next daemon closes it" if letIn else ""
            return opened or "stays closed"
        whose = "its" if letIn == 1 else "their"
        exception = f", but for {addresses} until {whose} time is over" if letIn else ""
        return f"stays closed{exception}"

    def _ready(self) -> None:
        if not self._isGuarding:  # it was stopped before the reactor ran
            return
        for note in self._reloader.config.notes:
            self._log.info("{note}", note=note)
        Deferred.fromCoroutine(self._announce()).addErrback(
            lambda failure: self._log.failure("the start went wrong", failure)
        )

    async def _announce(self) -> None:
        await self._reloader.announceFirst()
        for component in self._components if self._isGuarding else ():
            component.ready()
