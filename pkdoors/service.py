"""The daemon as Twisted's service: its parts, started and stopped in the right order."""

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pkdoors.doors import Door
from pkdoors.durations import formatDuration
from pkdoors.errors import PkdoorsError
from pkdoors.instance import Instance
from pkdoors.keeper import Doorkeeper
from pkdoors.knock import Knock
from pkdoors.listener import Listener
from pkdoors.locksmith import Locksmith
from pkdoors.notify import Notifier


class DoorService(Service):
    """
    @param reactor: its clock must not jump: a deadline is no time of day.
    @param logKnocks: whether each datagram is logged.
    @param notifier: tells the service manager, if there is one.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        keeper: Doorkeeper,
        listener: Listener,
        instance: Instance,
        smith: Locksmith,
        firewallName: str,
        logKnocks: bool = False,
        notifier: Notifier | None = None,
    ) -> None:
        self._reactor = reactor
        self._keeper = keeper
        self._listener = listener
        self._instance = instance
        self._smith = smith
        self._firewallName = firewallName
        self._notifier = notifier or Notifier(reactor, {})
        self._hear: Callable[[Knock], None] = self._logAndHear if logKnocks else keeper.knock

    def prepare(self) -> None:
        """
        Take the knock ports and see whether the firewall will do, while there is a terminal to
        complain to: twistd daemonises only after this.

        @raise PkdoorsError: a port or the firewall is not to be had. Nothing was changed.
        """
        self._listener.bind()
        try:
            self._keeper.prepare()
            self._smith.prepare()
            self._instance.take()
        except PkdoorsError:
            self._listener.close()
            self._instance.give()
            raise

    def privilegedStartService(self) -> None:
        """Close the doors, then listen: in this order, so that nothing is open in between."""
        self._instance.sign()
        self._smith.start()
        try:
            self._keeper.start()
        except PkdoorsError as error:
            self._log.critical("not started: {error}", error=error)
            raise
        self._listener.listen(self._reactor, self._hear)
        self._reactor.callWhenRunning(self._announceAll)

    def stopService(self) -> Deferred[None]:
        """Stop listening, then let go of the firewall, which keeps the doors closed."""
        super().stopService()
        self._notifier.stop()
        self._listener.stop(self._reactor)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._keeper.stop()
        self._instance.give()
        how = "was never touched" if self._firewallName == "dry-run" else "stays closed"
        for door in self._keeper.doors:
            self._log.info("stopped; door {door} {how}", door=door, how=how)

    def _announceAll(self) -> None:
        for door in self._keeper.doors:
            self._announce(door)
        names = ", ".join(map(str, self._keeper.doors))
        self._notifier.start(f"guarding {names} with {self._firewallName}")

    def _announce(self, door: Door) -> None:
        self._log.info(
            "guarding door {door} with {firewall}: {knocks} it for {open}, "
            "at most {most} if asked{cut}",
            door=door,
            firewall=self._firewallName,
            knocks=_knocksFor(door),
            open=formatDuration(door.openFor),
            most=formatDuration(door.maxOpenFor),
            cut="; sessions end with it" if door.cutSessions else "",
        )
        for advice in [] if door.authorizedKeys else door.sequence.warnings():
            self._log.warn("door {door}: {advice}", door=door, advice=advice)

    def _logAndHear(self, knock: Knock) -> None:
        self._log.debug(
            "datagram from {knock.source} on {knock.port}: {knock.datagram!r}", knock=knock
        )
        self._keeper.knock(knock)


def _knocksFor(door: Door) -> str:
    if door.authorizedKeys:
        return f"a sealed knock on its {len(set(door.sequence.ports))} ports opens"
    return f"{len(door.sequence.ports)} knocks open"
