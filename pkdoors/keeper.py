"""The doorkeeper: the one place that owns time and openings."""

import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pkdoors.doors import Address, Door, Opening
from pkdoors.knock import Knock
from pkdoors.life import Life
from pkdoors.limits import LineLimit
from pkdoors.locks import Lock, Refusal, Request, SequenceLock
from pkdoors.walls import Walls

MAX_OPENINGS = 10_000
"""Openings at a time, about 30 MB: a bound for memory, far above what people earn. Only who knows
a sequence can come near it, by spoofing addresses."""


class Doorkeeper:
    """
    Takes knocks to the locks, and makes openings of what the locks yield.

    @param clock: must not jump, see L{pkdoors.tap}.
    @param wallClock: the time of day in seconds since 1970: to be shown, and for sealed knocks.
    @param makeLock: makes the lock of a door.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        walls: Walls,
        doors: Iterable[Door],
        wallClock: Callable[[], float] = time.time,
        makeLock: Callable[[Door], Lock] = SequenceLock,
    ) -> None:
        self._clock = clock
        self._walls = walls
        self._wallClock = wallClock
        self._limit = LineLimit()
        self.doors = tuple(doors)
        self._locks: dict[int, list[Lock]] = {}
        for lock in map(makeLock, self.doors):
            for port in set(lock.door.sequence.ports):
                self._locks.setdefault(port, []).append(lock)
        self._lives: dict[tuple[str, Address], Life] = {}

    def ports(self) -> list[int]:
        """The knock ports, sorted: their order is the secret."""
        return sorted(self._locks)

    def prepare(self) -> None:
        """
        See whether the firewall can do its work.

        @raise FirewallError: it cannot.
        """
        self._walls.prepare(self.doors)

    def start(self) -> None:
        """
        Close the doors, but for the openings that an earlier daemon left.

        @raise FirewallError: the firewall refused.
        """
        for opening in self._walls.start(self.doors, self._wanted, self._healed):
            self._begin(opening, isThere=True)

    def knock(self, knock: Knock) -> None:
        """Hear a knock. Nothing is raised: a port that did would be read no more."""
        try:
            self._hear(knock)
        except Exception:
            if self._limit.admit("", self._clock.seconds()):
                self._log.failure("a knock of {source} went wrong", source=knock.source)

    def _hear(self, knock: Knock) -> None:
        now = self._clock.seconds()
        for lock in self._locks.get(knock.port, ()):
            result = lock.knock(knock, now, self._wallClock())
            if isinstance(result, Request):
                self.request(result)
            elif result is not None:
                self._refuse(result)

    def request(self, request: Request) -> None:
        """Open the door, or where it is open for this source already, move the deadline."""
        door = request.door
        key = (door.name, ip_address(request.source))
        seconds = door.grant(request.seconds)
        if request.most:
            seconds = min(seconds, request.most)
        deadline = self._clock.seconds() + seconds
        if request.close:
            self._end(key, request.who)
        elif key in self._lives:
            self._lives[key].extend(deadline, request.who)
        elif len(self._lives) >= MAX_OPENINGS:
            reason = f"{MAX_OPENINGS} openings already, which is the most"
            self._refuse(Refusal(door, request.source, reason))
        else:
            self._begin(Opening(door, key[1], deadline, request.who))

    def _end(self, key: tuple[str, Address], who: str) -> None:
        if key in self._lives:
            self._lives[key].end(who)

    def openings(self) -> list[Opening]:
        """What is open now."""
        return [opening for life in self._lives.values() for opening in life.granted()]

    async def stop(self) -> None:
        """Let go: openings run out by themselves in the firewall, the doors stay closed."""
        for life in list(self._lives.values()):
            life.leave()
        await self._walls.stop()

    def _wanted(self) -> list[Opening]:
        return [opening for life in self._lives.values() for opening in life.wanted()]

    def _healed(self) -> None:
        for life in list(self._lives.values()):
            life.healed()

    def _begin(self, opening: Opening, isThere: bool = False) -> None:
        key = (opening.door.name, opening.source)
        life = Life(self._clock, self._walls, opening, self._wallClock)
        self._lives[key] = life
        if isThere:
            life.takeOver()

        async def live() -> None:
            try:
                await life.run()
            finally:
                del self._lives[key]

        Deferred.fromCoroutine(live()).addErrback(
            lambda failure: self._log.failure("the opening of a door went wrong", failure)
        )

    def _refuse(self, refusal: Refusal) -> None:
        if not self._limit.admit(refusal.source, self._clock.seconds()):
            return
        self._log.info(
            "refused door {door} for {source}: {reason}{more}",
            door=refusal.door,
            source=refusal.source,
            reason=refusal.reason,
            more=self._limit.leftOut(),
        )
