"""The firewalls of the host: a packet must pass all of them."""

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pkdoors.errors import FirewallError
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall._healer import Healer
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import Source
from pkdoors.util.durations import formatDuration

STOP_TIMEOUT = 5.0
"""Seconds that a firewall has to let go when the daemon stops; systemd waits 90."""


class FirewallStack:
    """
    Passes each order on to all firewalls. Each is healed by itself: a firewall that is absent or
    slow does not keep another from being restored.

    @param firewalls: the innermost first. It keeps the doors closed, and the kernel's own timer
        ends its openings; the outer ones only let packets through.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        firewalls: Sequence[IFirewall],
        publisher: EventPublisher | None = None,
    ) -> None:
        self._clock = clock
        self._firewalls = tuple(firewalls)
        self._publisher = publisher or EventPublisher()
        self._doors: tuple[Door, ...] = ()
        # Openings that the innermost has closed, but not yet all others.
        self._closedInnermost: set[tuple[str, Source]] = set()
        self._healers: list[Healer] = []  # the outermost first
        self.name = " and ".join(firewall.name for firewall in firewalls)

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """
        Find out whether all can work here; nothing is changed.

        @raise FirewallError: one cannot.
        """
        for firewall in self._firewalls:
            firewall.prepare(doors)

    def start(
        self,
        doors: tuple[Door, ...],
        wanted: Callable[[], Iterable[Opening]],
        onHealed: Callable[[], None],
    ) -> list[Opening]:
        """
        Keep the doors closed and let knocks in.

        @param wanted: returns the openings that should exist now.
        @param onHealed: called when a firewall has been restored.
        @return: what an earlier daemon left open.
        @raise FirewallError: a firewall refused. If it is not the innermost, the doors are closed.
        """
        self._doors = doors
        found: list[Opening] = []
        # The innermost first: another that hangs or refuses must not keep the ports from closing.
        for firewall in self._firewalls:
            healer = Healer(self._clock, firewall, wanted, onHealed, self._publisher)
            self._healers.insert(0, healer)
            left = firewall.start(doors, healer.onLost)
            if left is None:
                healer.restore()
            else:
                found += left
        return found

    def inPlace(self) -> dict[str, bool]:
        """Return whether the rules are in each of the firewalls, by its name."""
        return {healer.name: healer.isInPlace for healer in self._healers}

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.foresee}."""
        for firewall in self._firewalls:
            firewall.foresee(doors)

    async def change(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> None:
        """
        Protect other doors from now on. The innermost firewall changes in one step; the others
        follow as soon as they can, see L{waitForOuter}.

        @param openings: the openings that exist afterwards.
        @raise FirewallError: the innermost refused; the earlier doors are put back.
        """
        inner, *others = self._firewalls
        inner.setDoors(doors)
        try:
            await inner.restore(openings)
        except BaseException:
            inner.setDoors(self._doors)
            # It is unknown how far it came: a port of a removed door may be open already.
            self._healers[-1].restore()
            raise
        self._doors = doors
        for firewall in others:
            firewall.setDoors(doors)

    async def waitForOuter(self, timeout: float) -> list[str]:
        """
        Wait until the outer firewalls have followed a L{change}.

        @param timeout: seconds to wait for each of them.
        @return: what goes wrong, a sentence each. The daemon tries again until it succeeds.
        """
        answers = [self._waitFor(healer, timeout) for healer in self._healers[:-1]]
        return [trouble for trouble in [await answer for answer in answers] if trouble]

    async def _waitFor(self, healer: Healer, timeout: float) -> str:
        try:
            return await healer.awaitRestoration().addTimeout(timeout, self._clock)
        except TimeoutError:
            return f"{healer.name} did not answer within {formatDuration(timeout)}"

    def open(self, opening: Opening) -> Deferred[None]:
        """
        Open, or move the deadline.

        @return: fails with a C{FirewallError} if a firewall refused. What the others opened ends at
            the deadline.
        """
        if self._closedInnermost:
            self._closedInnermost.discard(opening.key)
        inner, *others = self._concernedBy(opening)
        opened = inner.open(opening)
        return Deferred.fromCoroutine(_openIn(others, opening, opened)) if others else opened

    def _concernedBy(self, opening: Opening) -> tuple[IFirewall, ...]:
        """
        Return the firewalls to ask. The innermost keeps an opening of a door without ports for the
        next daemon; the others have nothing to do.
        """
        return self._firewalls if opening.door.ports else self._firewalls[:1]

    def isInnermostClosed(self, door: str, source: Source) -> bool:
        """Return whether the innermost has closed an opening that others have yet to close."""
        return (door, source) in self._closedInnermost

    async def closeInnermost(self, opening: Opening) -> None:
        """
        Close in the innermost firewall, which decides, while the others are still opening.

        @raise FirewallError: it refused.
        """
        inner, *others = self._firewalls
        if others:
            await inner.close(opening)
            self._closedInnermost.add(opening.key)

    async def closeMany(self, openings: Iterable[Opening]) -> None:
        """
        Close openings in the innermost firewall, which decides, in one step. The others close each
        when L{close} is called.

        @param openings: they are looked at when the step begins, and again when it is over: what
            has been opened again meanwhile must not be among them.
        @raise FirewallError: it refused.
        """
        await self._firewalls[0].closeMany(openings)
        self.noteClosedInnermost(openings)

    def noteClosedInnermost(self, openings: Iterable[Opening]) -> None:
        """Note that the innermost firewall has closed openings that others have yet to close."""
        if len(self._firewalls) > 1:
            self._closedInnermost.update(opening.key for opening in openings)

    def isInnermostEnough(self, opening: Opening) -> bool:
        """Return whether an opening is closed as soon as the innermost firewall has closed it."""
        return len(self._concernedBy(opening)) == 1

    async def close(self, opening: Opening, isInnermostClosed: bool = False) -> None:
        """
        Close in every firewall that can, even if another refuses.

        @param isInnermostClosed: whether L{closeMany} has done so in the innermost.
        @raise FirewallError: one refused.
        """
        errors = []
        for firewall in self._concernedBy(opening)[isInnermostClosed:]:
            try:
                await firewall.close(opening)
            except Exception as error:
                errors.append(error)
            else:
                if firewall is self._firewalls[0]:
                    self._closedInnermost.add(opening.key)
        if errors:
            raise errors[0]
        self._closedInnermost.discard(opening.key)

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """See L{IFirewall.findUsed}."""
        return self._firewalls[0].findUsed(openings)

    def countDropped(self) -> int:
        """Return the sum of L{IFirewall.countDropped} of all firewalls."""
        return sum(firewall.countDropped() for firewall in self._firewalls)

    def countJunk(self) -> int:
        """Return the sum of L{IFirewall.countJunk} of all firewalls."""
        return sum(firewall.countJunk() for firewall in self._firewalls)

    async def stop(self) -> None:
        """Let go: openings end by themselves, and the doors stay closed."""
        for healer in self._healers:
            healer.stop()
        for firewall in reversed(self._firewalls):
            await self._stop(firewall)

    async def _stop(self, firewall: IFirewall) -> None:
        try:
            await firewall.stop().addTimeout(STOP_TIMEOUT, self._clock)
        except FirewallError as error:
            self._log.error("cannot remove all rules: {error}", error=error)
        except TimeoutError:
            self._log.error(
                "cannot remove all rules: {firewall} did not answer within {length}",
                firewall=firewall.name,
                length=formatDuration(STOP_TIMEOUT),
            )
        except Exception:  # a bug of ours must not keep the others from being stopped
            self._log.failure("stopping {firewall} failed", firewall=firewall.name)


async def _openIn(
    firewalls: Iterable[IFirewall], opening: Opening, openedInner: Deferred[None]
) -> None:
    """Open in some firewalls, one after the other, once the innermost has opened."""
    await openedInner
    for firewall in firewalls:
        await firewall.open(opening)
