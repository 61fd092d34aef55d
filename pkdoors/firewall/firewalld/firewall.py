"""
firewalld, through its own Python client, on a thread of its own.

It closes nothing here and ends nothing: that is the guard's work
(L{pkdoors.firewall.nftables.firewall}), which does not depend on any daemon. firewalld has to let
through what the guard lets through: the knocks, and for an opening the door's ports, by one rich
rule for each port range in the zone that firewalld puts the client's packets in. The client's other
traffic stays what it was.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import TypeVar

from twisted.internet.defer import Deferred
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
from pkdoors.model.doors import Door, Opening

START_TIMEOUT = 30.0
"""Seconds that firewalld may take for all of the start: 20 knock ports in 10 zones take 2."""

T = TypeVar("T")


@implementer(IFirewall)
class FirewalldFirewall:
    """
    @param makeZones: makes the L{ZoneClient}, in the thread.
    @param zone: the zone for everything; empty for what firewalld says.
    """

    _log = Logger()
    name = "firewalld"

    def __init__(
        self,
        clock: IReactorTime,
        thread: BusThread,
        makeZones: Callable[[str], ZoneClient] = ZoneClient,
        zone: str = "",
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._zone = zone
        self._round = 0  # how often all was to be restored
        # What follows belongs to the thread.
        self._zoneDoors = ZoneDoors(clock, makeZones, zone)
        self._silence = 0.0  # when firewalld last did not answer

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        importClientClass()
        checkZone(self._zone)

    def start(self, doors: tuple[Door, ...], lost: Callable[[str], None]) -> None:
        """See L{IFirewall.start}. firewalld does not tell when an opening ends."""
        self._zoneDoors.setDoors(doors)
        self._thread.start()
        try:
            self._thread.callBlocking(lambda: self._start(lost), START_TIMEOUT)
        except TimeoutError:
            raise FirewallError(
                f"firewalld did not answer within {START_TIMEOUT:g} s: "
                "see what it does (systemctl status firewalld), then start again"
            ) from None

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}."""
        self._round += 1
        # In the thread, so that what was asked of it before is done with the doors from before.
        self._thread.call(lambda: self._zoneDoors.setDoors(doors))

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        wanted = list(openings)
        self._round += 1  # no later opening comes before this, which may have an older deadline
        # It comes when firewalld has not answered, and finds out whether it does now.
        return self._thread.call(self._behind(lambda: self._zoneDoors.restore(wanted), inf))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        work = self._behind(lambda: self._zoneDoors.open(opening))
        return self._thread.offer((self._round, opening.key), work)

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        work = self._behind(lambda: self._zoneDoors.close(opening))
        return self._thread.call(lambda: work() if self._zoneDoors.has(opening) else None)

    def dropped(self) -> int:
        """See L{IFirewall.dropped}. That is the guard's work."""
        return 0

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return self._thread.call(self._behind(self._zoneDoors.takeKnocks)).addBoth(self._stopThread)

    def _stopThread(self, result: T) -> T:
        self._thread.stop()
        return result

    def _behind(self, work: Callable[[], T], asked: float = 0.0) -> Callable[[], T]:
        """
        Work that fails, too, where what it waits for is not answered: once is long enough.

        @param asked: when it was asked for; 0 for now.
        """
        since = asked or self._clock.seconds()

        def do() -> T:
            if since < self._silence:
                raise FirewalldTimeout(SILENT)
            try:
                return work()
            except FirewalldTimeout:
                self._silence = self._clock.seconds()
                raise

        return do

    def _start(self, lost: Callable[[str], None]) -> None:
        tell = self._thread.tell
        self._zoneDoors.start(
            lambda why: tell(lost, why), lambda zone: tell(self._warnOfSaved, zone)
        )

    def _warnOfSaved(self, zone: str) -> None:
        self._log.warn(
            "rules of pkdoors had become permanent ones of firewalld's zone {zone}, "
            "which never end (`firewall-cmd --runtime-to-permanent` does that): removed there",
            zone=zone,
        )
