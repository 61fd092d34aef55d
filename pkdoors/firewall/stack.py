"""The firewalls of the host, one behind the other: a packet must pass all of them."""

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pkdoors.errors import FirewallError
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall._healer import Healer
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, Opening

STOP_TIMEOUT = 5.0
"""Seconds that a firewall may take to let go when the daemon stops; systemd waits 90."""


class FirewallStack:
    """
    Does to each firewall what is to be done to all, and has each healed by itself: one that is
    away, or slow, keeps nobody from putting right another.

    @param firewalls: the innermost first. It is the one that closes, with the kernel's own timer;
        those before it only let through.
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
        # What the innermost has closed, and the others have not followed yet.
        self._closedInnermost: set[tuple[str, Address]] = set()
        self._healers: list[Healer] = []  # the outermost first
        self.name = " and ".join(firewall.name for firewall in firewalls)

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """
        See whether they can do their work; nothing is changed.

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

        @param wanted: gives what ought to be open now.
        @param healed: called when what somebody took away is there again.
        @return: what an earlier daemon left open.
        @raise FirewallError: a firewall refused. If it is not the innermost, the doors are closed.
        """
        self._doors = doors
        found: list[Opening] = []
        # The innermost first: one that hangs or refuses may not keep the ports from being closed.
        for firewall in self._firewalls:
            healer = Healer(self._clock, firewall, wanted, onHealed, self._publisher)
            self._healers.insert(0, healer)
            left = firewall.start(doors, healer.onLost)
            if left is None:
                healer.restore()
            else:
                found += left
        return found

    async def change(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> None:
        """
        Keep other doors closed from now on. In the innermost firewall that is done in one step;
        the others follow as soon as they can, see L{waitForOuter}.

        @param openings: what is to be open then.
        @raise FirewallError: the innermost refused; what there was is put back.
        """
        inner, *others = self._firewalls
        inner.setDoors(doors)
        try:
            await inner.restore(openings)
        except BaseException:
            inner.setDoors(self._doors)
            # How far it came nobody knows: a port of a door that was to go may be open.
            self._healers[-1].restore()
            raise
        self._doors = doors
        for firewall in others:
            firewall.setDoors(doors)

    async def waitForOuter(self, patience: float) -> list[str]:
        """
        Have the outer firewalls follow a L{change}.

        @param patience: seconds that each of them gets before somebody who waits is told so.
        @return: what goes wrong, a sentence each. It is tried again until it succeeds.
        """
        followed = [self._follow(healer, patience) for healer in self._healers[:-1]]
        return [trouble for trouble in [await each for each in followed] if trouble]

    async def _follow(self, healer: Healer, patience: float) -> str:
        try:
            return await healer.restored().addTimeout(patience, self._clock)
        except TimeoutError:
            return f"{healer.name} did not answer within {patience:g} s"

    async def open(self, opening: Opening) -> None:
        """
        Open, or move the deadline.

        @raise FirewallError: a firewall refused. What the others did ends at the deadline.
        """
        self._closedInnermost.discard(opening.key)
        for firewall in self._firewalls:
            await firewall.open(opening)

    def isInnermostClosed(self, door: str, source: Address) -> bool:
        """Whether the innermost has closed an opening that others are still to close."""
        return (door, source) in self._closedInnermost

    async def closeInnermost(self, opening: Opening) -> None:
        """
        Close the innermost, which is what counts, while the others are still busy opening.

        @raise FirewallError: it refused.
        """
        inner, *others = self._firewalls
        if others:
            await inner.close(opening)
            self._closedInnermost.add(opening.key)

    async def close(self, opening: Opening) -> None:
        """
        Close: at once where that is possible, though another firewall refuses.

        @raise FirewallError: one refused.
        """
        errors = []
        for firewall in self._firewalls:
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

    def dropped(self) -> int:
        """See L{IFirewall.dropped}: all of them together."""
        return sum(firewall.dropped() for firewall in self._firewalls)

    async def stop(self) -> None:
        """Let go: openings run out by themselves, the doors stay closed."""
        for healer in self._healers:
            healer.stop()
        for firewall in reversed(self._firewalls):
            await self._stop(firewall)

    async def _stop(self, firewall: IFirewall) -> None:
        try:
            await firewall.stop().addTimeout(STOP_TIMEOUT, self._clock)
        except FirewallError as error:
            self._log.error("not all could be taken back: {error}", error=error)
        except TimeoutError:
            self._log.error(
                "not all could be taken back: {firewall} did not answer within {seconds:g} s",
                firewall=firewall.name,
                seconds=STOP_TIMEOUT,
            )
        except Exception:  # a mistake of ours must not keep the others from being stopped
            self._log.failure("stopping {firewall} went wrong", firewall=firewall.name)
