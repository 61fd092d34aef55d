"""The daemon as Twisted's service: its parts, started and stopped in the right order."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pkdoors.daemon.component import Component
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.reload import Reloader
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.errors import FirewallError, PkdoorsError
from pkdoors.events.event import STOPPED
from pkdoors.events.publisher import EventPublisher
from pkdoors.host.instance import AlreadyRunning, Instance, InstanceError


class DoorService(Service):
    """
    Guards its doors from its start on, whichever of Twisted's ways that takes: C{twistd} calls
    L{privilegedStartService} and then L{startService}, C{twist} and many applications only the
    latter. It starts once; after its end another one has to be made.

    The guard comes first. What is not its business (a busy knock port, a missing address, the file
    of keys, the admin socket) keeps nobody from guarding: each is a warning, and what can be tried
    again is.

    @param reactor: its clock must not jump: a deadline is no time of day.
    @param parts: what the daemon has beside, for its operator.
    @param keepClosed: called if the guard cannot be put in place. It keeps the ports closed in
        another way, and returns the end of a sentence that says so, or nothing.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        keeper: Doorkeeper,
        reloader: Reloader,
        instance: Instance,
        smith: Locksmith,
        publisher: EventPublisher,
        firewallName: str,
        parts: Sequence[Component] = (),
        keepClosed: Callable[[], str] = lambda: "",
    ) -> None:
        self._reactor = reactor
        self._keeper = keeper
        self._reloader = reloader
        self._instance = instance
        self._smith = smith
        self._publisher = publisher
        self._firewallName = firewallName
        self._parts = parts
        self._keepClosed = keepClosed
        self._hasBegun = False
        self._isGuarding = False

    def prepare(self) -> None:
        """
        See whether the guard can be put in place, while there is a terminal to complain to: twistd
        daemonises only after this. No knock port is taken before the guard is there.

        @raise PkdoorsError: the firewall is not to be had, or another daemon runs. Nothing was
            changed.
        """
        self._instance.refuseSecond()
        self._keeper.prepare()
        try:
            self._instance.take()
        except AlreadyRunning:
            raise
        except InstanceError as error:
            self._log.warn("{error}: a second daemon would not be noticed", error=error)
        for part in self._parts:
            try:
                part.prepare()
            except PkdoorsError as error:
                self._log.warn("{error}", error=error)

    def privilegedStartService(self) -> None:
        """
        Close the doors, then listen: in this order, so that nothing is open in between.

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
        Do so now if nobody has called L{privilegedStartService}.

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
        self._instance.sign()
        self._guard()
        # All that reads files comes after it: some of them may be on a disk that hangs.
        self._smith.start()
        for part in self._parts:
            part.start()
        self._smith.examine()
        self._reloader.listen()
        self._reactor.callWhenRunning(self._ready)

    def _guard(self) -> None:
        try:
            self._keeper.start()
        except Exception as error:  # a mistake of ours must not leave the ports open
            self._instance.give()  # or it would take us for another daemon
            kept = self._keepClosed()
            if isinstance(error, OSError) or (kept and isinstance(error, PkdoorsError)):
                raise FirewallError(f"{error}{kept}") from error
            raise
        self._isGuarding = True

    def reload(self) -> None:
        """Read the configuration anew. Whether it is taken, the log says."""
        for part in self._parts:
            part.reopen()
        done = Deferred.fromCoroutine(self._reloader.reload())
        done.addErrback(lambda failure: failure.trap(PkdoorsError))
        done.addErrback(lambda failure: self._log.failure("a reload went wrong", failure))

    def stopService(self) -> Deferred[None]:
        """
        Stop listening, then let go of the firewall, which keeps the doors closed. What never began
        has nothing to let go.
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
            self._publisher.publish(STOPPED, door=door, reason=self._howLeft(letIn[door.name]))
        for part in reversed(self._parts if isGuarding else ()):
            await part.stop()

    def _howLeft(self, letIn: int) -> str:
        """How a door is left, which is open for so many addresses."""
        if self._firewallName == "dry-run":
            return "was never touched"
        who = "1 address" if letIn == 1 else f"{letIn} addresses"
        return f"stays closed, but for {who} until the time is over" if letIn else "stays closed"

    def _ready(self) -> None:
        if not self._isGuarding:  # it was stopped before the reactor ran
            return
        for note in self._reloader.config.notes:
            self._log.info("{note}", note=note)
        self._reloader.begin()
        for part in self._parts:
            part.ready()
