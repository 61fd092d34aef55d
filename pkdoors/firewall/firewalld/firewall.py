"""
Controls firewalld through its own Python client, on a thread of its own.

Here firewalld closes nothing and ends nothing: that is the task of the guard
(L{pkdoors.firewall.nftables.firewall}), which does not depend on any daemon. firewalld must let
through what the guard lets through: the knocks, and for an opening the door's ports. If its zones
let everybody reach them anyway, it is not even asked; otherwise there is one rich rule for each
port range in the zone to which firewalld assigns the client's packets. It treats the client's other
traffic as before. See C{docs/firewalld.md}.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import TypeVar

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld._rules import ZoneDoors
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import (
    SILENT,
    FirewalldTimeout,
    checkZone,
    importClientClass,
)
from pkdoors.firewall.firewalld.thread import BusThread
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door, Opening, listKnockPorts
from pkdoors.util.durations import formatDuration

START_TIMEOUT = 30.0
"""Seconds that firewalld has for the whole start: 20 knock ports in 10 zones take 2."""

MANY_KNOCK_PORTS = 200
"""So many need more of that time than other troubles: a rule takes up to 40 ms, in each zone."""

T = TypeVar("T")


@implementer(IFirewall)
class FirewalldFirewall:
    """
    @param makeZones: makes the L{ZoneClient}, in the thread.
    @param zone: the zone for all rules; empty for the zones that firewalld chooses.
    @param letsKnocksIn: whether knocks need rules, because sockets hear them.
    """

    _log = Logger()
    name = "firewalld"

    def __init__(
        self,
        clock: IReactorTime,
        thread: BusThread,
        makeZones: Callable[[str], ZoneClient] = ZoneClient,
        zone: str = "",
        letsKnocksIn: bool = True,
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._zone = zone
        self._letsKnocksIn = letsKnocksIn
        self._round = 0  # counts restorations and changes of the doors
        # What follows belongs to the thread.
        self._zoneDoors = ZoneDoors(clock, makeZones, zone, letsKnocksIn, thread.serveOffers)
        self._silentSince = 0.0  # when firewalld last failed to answer

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        importClientClass()
        checkZone(self._zone)

    def start(self, doors: tuple[Door, ...], onLost: Callable[[str], None]) -> None:
        """See L{IFirewall.start}. firewalld does not know when openings end."""
        self._zoneDoors.setDoors(doors)
        self._thread.start()
        try:
            self._thread.callBlocking(lambda: self._start(onLost), START_TIMEOUT)
        except TimeoutError:
            raise FirewallError(self._explainTimeout(doors)) from None

    def _explainTimeout(self, doors: tuple[Door, ...]) -> str:
        count, limit = len(listKnockPorts(doors)), formatDuration(START_TIMEOUT)
        if self._letsKnocksIn and count >= MANY_KNOCK_PORTS:
            return (
                f"firewalld did not add rules for {count} knock ports within {limit}: "
                'use `listen = "capture"`, which needs no such rules'
            )
        return (
            f"firewalld did not answer within {limit}: "
            "check it (systemctl status firewalld), then start again"
        )

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.foresee}: there is nothing to compute."""

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.setDoors}."""
        self._round += 1
        # In the thread, after the work that waits there: that is for the earlier doors.
        self._thread.call(lambda: self._zoneDoors.setDoors(doors))

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""

        def work() -> None:  # it looks at them in the thread: very many take long
            self._zoneDoors.restore([each for each in openings if each.door.ports])

        self._round += 1  # later openings must wait: this may have an older deadline
        # A restoration follows when firewalld has not answered, and finds out whether it does now.
        return self._thread.call(self._unlessSilent(work, inf))

    def open(self, opening: Opening) -> Deferred[None]:
        """
        See L{IFirewall.open}. If firewalld lets everybody reach the ports, it is not asked: nothing
        waits for it.
        """
        if self._zoneDoors.admission.admitsEverywhere(opening.door.ports):
            return succeed(None)
        self._thread.hurry(opening.key)  # its own closing must come first
        work = self._unlessSilent(lambda: self._zoneDoors.open(opening))
        return self._thread.offer((self._round, opening.key), work)

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}. The guard has closed, so openings that wait come first."""
        work = self._unlessSilent(lambda: self._zoneDoors.close(opening))
        return self._thread.defer(
            opening.key, lambda: work() if self._zoneDoors.has(opening) else None
        )

    def closeMany(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.closeMany}. It has no such means."""
        answers = gatherResults(map(self.close, openings), consumeErrors=True)
        return answers.addCallback(lambda _: None)

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """See L{IFirewall.findUsed}."""
        return []

    def countDropped(self) -> int:
        """See L{IFirewall.countDropped}. The guard limits knocks."""
        return 0

    def countJunk(self) -> int:
        """See L{IFirewall.countJunk}. The guard sorts knocks."""
        return 0

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        self._thread.hurryAll()
        work = self._unlessSilent(self._zoneDoors.takeKnocks)
        return self._thread.call(work).addBoth(self._stopThread)

    def _stopThread(self, result: T) -> T:
        self._thread.stop()
        return result

    def _unlessSilent(self, work: Callable[[], T], asked: float = 0.0) -> Callable[[], T]:
        """
        Return work that fails at once if firewalld has failed to answer since the work was asked
        for: to wait for one call's timeout is long enough.

        @param asked: when the work was asked for; 0 for now.
        """
        since = asked or self._clock.seconds()

        def do() -> T:
            if since < self._silentSince:
                raise FirewalldTimeout(SILENT)
            try:
                return work()
            except FirewalldTimeout:
                self._silentSince = self._clock.seconds()
                raise

        return do

    def _start(self, onLost: Callable[[str], None]) -> None:
        notify = self._thread.notify
        self._zoneDoors.start(
            lambda cause: notify(onLost, cause), lambda zone: notify(self._warnOfSaved, zone)
        )

    def _warnOfSaved(self, zone: str) -> None:
        self._log.warn(
            "`firewall-cmd --runtime-to-permanent` had made rules of pkdoors permanent in "
            "firewalld's zone {zone}, where they would never end: removed",
            zone=zone,
        )
