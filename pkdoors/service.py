"""The daemon as Twisted's service: its parts, started and stopped in the right order."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pkdoors.errors import PkdoorsError
from pkdoors.events import STOPPED
from pkdoors.herald import Herald
from pkdoors.instance import Instance
from pkdoors.keeper import Doorkeeper
from pkdoors.locksmith import Locksmith
from pkdoors.parts import Part
from pkdoors.reloading import Reloader


class DoorService(Service):
    """
    @param reactor: its clock must not jump: a deadline is no time of day.
    @param parts: what the daemon has beside, for its operator.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        keeper: Doorkeeper,
        reloader: Reloader,
        instance: Instance,
        smith: Locksmith,
        herald: Herald,
        firewallName: str,
        parts: Sequence[Part] = (),
    ) -> None:
        self._reactor = reactor
        self._keeper = keeper
        self._reloader = reloader
        self._instance = instance
        self._smith = smith
        self._herald = herald
        self._firewallName = firewallName
        self._parts = parts

    def prepare(self) -> None:
        """
        Take the knock ports and see whether the firewall will do, while there is a terminal to
        complain to: twistd daemonises only after this.

        @raise PkdoorsError: a port or the firewall is not to be had. Nothing was changed.
        """
        self._instance.refuseSecond()  # else its knock ports would be what is in the way
        try:
            self._reloader.listener.bind()
            self._keeper.prepare()
            self._smith.prepare(self._keeper.doors)
            self._instance.take()
            for part in self._parts:
                part.prepare()
        except PkdoorsError:
            self._reloader.listener.close()
            self._instance.give()
            raise

    def privilegedStartService(self) -> None:
        """Close the doors, then listen: in this order, so that nothing is open in between."""
        self._instance.sign()
        self._smith.start()
        for part in self._parts:
            part.start()
        try:
            self._keeper.start()
        except PkdoorsError as error:
            self._log.critical("not started: {error}", error=error)
            raise
        self._reloader.listen()
        self._reactor.callWhenRunning(self._ready)

    def reload(self) -> None:
        """Read the configuration anew. Whether it is taken, the log says."""
        for part in self._parts:
            part.reopen()
        done = Deferred.fromCoroutine(self._reloader.reload())
        done.addErrback(lambda failure: failure.trap(PkdoorsError))
        done.addErrback(lambda failure: self._log.failure("a reload went wrong", failure))

    def stopService(self) -> Deferred[None]:
        """Stop listening, then let go of the firewall, which keeps the doors closed."""
        super().stopService()
        self._reloader.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        letIn = Counter(opening.door.name for opening in self._keeper.openings())
        await self._keeper.stop()
        self._instance.give()
        for door in self._keeper.doors:
            self._herald.tell(STOPPED, door=door, reason=self._howLeft(letIn[door.name]))
        for part in reversed(self._parts):
            await part.stop()

    def _howLeft(self, letIn: int) -> str:
        """How a door is left, which is open for so many addresses."""
        if self._firewallName == "dry-run":
            return "was never touched"
        who = "1 address" if letIn == 1 else f"{letIn} addresses"
        return f"stays closed, but for {who} until the time is over" if letIn else "stays closed"

    def _ready(self) -> None:
        for note in self._reloader.config.notes:
            self._log.info("{note}", note=note)
        self._reloader.begin()
        for part in self._parts:
            part.ready()
