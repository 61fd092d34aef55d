"""The doorkeeper: the one place that owns time and openings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pkdoors.doorkeeper._announcing import announce
from pkdoors.doorkeeper._life import OpeningLife
from pkdoors.doorkeeper.admission import Admission
from pkdoors.doorkeeper.state import OpeningStatus, Snapshot
from pkdoors.events.counters import Counters
from pkdoors.events.event import GUESSING, REFUSED
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.clientaddress import SHARED, isShared
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import AnyLock, Guessing, Refusal, Request, Result, SequenceLock
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.refusals import Refusals
from pkdoors.locks.wrongorders import MAX_COUNTED, WARY_PENALTY
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.util.durations import formatDuration
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.turns import Turns


class Doorkeeper:
    """
    Takes knocks to the locks, and makes openings of what the locks yield.

    @param clock: must not jump, see L{pkdoors.tap}.
    @param publisher: is told what happens, and knows the time of day.
    @param makeLock: makes the lock of a door.
    @param counters: where knocks are counted.
    @param logKnocks: whether each datagram is logged.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        stack: FirewallStack,
        doors: Iterable[Door],
        publisher: EventPublisher | None = None,
        makeLock: Callable[[Door], AnyLock] = SequenceLock,
        counters: Counters | None = None,
        logKnocks: bool = False,
    ) -> None:
        self._clock = clock
        self._stack = stack
        self._publisher = publisher or EventPublisher()
        self._makeLock = makeLock
        self._counters = counters or Counters()
        self._logKnocks = logKnocks
        self._limit = LineLimit()
        self._refusals = Refusals()
        self._troubles = LineLimit()
        self._turns = Turns(clock)
        self.doors = tuple(doors)
        self._locks = Lockset(map(makeLock, self.doors))
        self._lives: dict[tuple[str, Address], OpeningLife] = {}
        self._admission = Admission()

    def prepare(self) -> None:
        """
        See whether the firewall can do its work.

        @raise FirewallError: it cannot.
        """
        self._stack.prepare(self.doors)

    def start(self) -> None:
        """
        Close the doors, but for the openings that an earlier daemon left.

        @raise FirewallError: the firewall refused.
        """
        for opening in self._stack.start(self.doors, self._wanted, self._healed):
            self._begin(opening, isThere=True)

    async def change(self, doors: tuple[Door, ...]) -> None:
        """
        Keep other doors from now on, in one step. What is open stays so where the door still has
        its name and its ports, though never longer than the door now allows; all else is closed.

        @raise FirewallError: the firewall refused; nothing was changed.
        """
        known = {door.name: door for door in doors}
        fresh = self._locks.missing(doors, self._makeLock)  # before anything is changed
        await self._stack.change(doors, self._carriedOn(known))
        self.doors = doors
        self._locks = self._locks.changed(doors, fresh)
        carried = {each.key: each for each in self._carriedOn(known)}
        for key, life in list(self._lives.items()):
            if key in carried:
                life.move(carried[key].door, carried[key].deadline)
            elif life.wanted():
                life.end("because the new configuration has no such door")

    def _carriedOn(self, doors: Mapping[str, Door]) -> list[Opening]:
        """What is wanted that other doors have, too."""
        now = self._clock.seconds()
        return [
            replace(each, door=door, deadline=min(each.deadline, now + door.maxOpenFor))
            for each in self._wanted()
            if (door := doors.get(each.door.name)) and door.ports == each.door.ports
        ]

    def announce(self, doors: Iterable[Door]) -> list[str]:
        """Tell the operator of doors that are guarded from now on. See L{announce}."""
        return announce(self._publisher, doors, self._stack.name)

    async def waitForOuter(self, patience: float) -> list[str]:
        """See L{FirewallStack.waitForOuter}."""
        return await self._stack.waitForOuter(patience)

    def knock(self, knock: Knock) -> None:
        """Hear a knock, see L{hear}."""
        self.hear([knock])

    def hear(self, knocks: Iterable[Knock]) -> None:
        """Hear knocks. Nothing is raised: a port that did would be read no more."""
        now, today = self._clock.seconds(), self._publisher.wallClock()
        hear = self._locks.hear
        unheeded = 0
        for knock in knocks:
            if self._logKnocks:
                self._log.debug(
                    "datagram from {knock.source} on {knock.port}: {knock.datagram!r}", knock=knock
                )
            try:
                results = hear(knock, now, today)
                if results:
                    self.heed(results)
                else:
                    unheeded += 1
            except Exception:
                if self._limit.admit("", now):
                    self._log.failure("a knock of {source} went wrong", source=knock.source)
        self._counters.knocks["other"] += unheeded

    def heed(self, results: Iterable[Result]) -> None:
        """Act on what locks yield."""
        for result in results:
            if isinstance(result, Request):
                self._counters.knocks["request"] += 1
                self.request(result)
            elif isinstance(result, Guessing):
                self._tellGuessing(result)
            else:
                self._counters.knocks["refused"] += 1
                self._refuse(result)

    def request(self, request: Request) -> None:
        """Open the door, or where it is open for this source already, move the deadline."""
        door = request.door
        key = (door.name, ip_address(request.source))
        seconds = door.grant(request.seconds)
        if request.most:
            seconds = min(seconds, request.most)
        now, isThere = self._clock.seconds(), key in self._lives
        if request.close:
            self._closeOwn(key, request)
        elif isShared(key[1]):
            self._refuse(Refusal(door, request.source, SHARED))
        elif reason := self._admission.refusal(request, isThere, now):
            self._refuse(Refusal(door, request.source, reason))
        elif isThere:
            self._lives[key].extend(door, now + seconds, request.who)
        else:
            self._begin(Opening(door, key[1], now + seconds, request.who))
            self._refusals.opened(request.source)

    def _closeOwn(self, key: tuple[str, Address], request: Request) -> None:
        """Close what the same key opened: a seal says who asks, but not truly from where."""
        opener = self._lives[key].opening.who if key in self._lives else NOBODY
        if opener.isOther(request.who):
            reason = f"{request.who} cannot close what {opener} opened"
            self._refuse(Refusal(request.door, request.source, reason))
        else:
            self.close([key], request.who)

    def close(self, keys: Iterable[tuple[str, Address]], who: Principal) -> None:
        """
        End openings now; so many that the reactor has other things to do meanwhile, soon.

        @param keys: door's name and address of each; one that is not open is no error.
        @param who: who asks to.
        """
        Deferred.fromCoroutine(self._end(list(keys), who)).addErrback(
            lambda failure: self._log.failure("the closing of a door went wrong", failure)
        )

    async def _end(self, keys: list[tuple[str, Address]], who: Principal) -> None:
        for key in keys:
            await self._turns.next()
            if key in self._lives:
                self._lives[key].end(f"asked to by {who}" if str(who) else "")

    def standing(self, door: str, source: Address) -> OpeningStatus | None:
        """How things stand with one opening; L{None} where there is none."""
        life = self._lives.get((door, source))
        return life.standing() if life is not None else None

    def state(self) -> Snapshot:
        """How things stand now."""
        return Snapshot(
            self._clock.seconds(),
            self._publisher.wallClock(),
            self.doors,
            tuple(life.standing() for life in self._lives.values()),
            self._locks.sources(),
        )

    def openings(self) -> list[Opening]:
        """What is open now."""
        return [opening for life in self._lives.values() for opening in life.granted()]

    async def stop(self) -> None:
        """Let go: openings run out by themselves in the firewall, the doors stay closed."""
        for life in list(self._lives.values()):
            life.leave()
        await self._stack.stop()

    def _wanted(self) -> list[Opening]:
        return [opening for life in self._lives.values() for opening in life.wanted()]

    def _healed(self) -> None:
        for life in list(self._lives.values()):
            life.onHealed()

    def _begin(self, opening: Opening, isThere: bool = False) -> None:
        key = opening.key
        life = OpeningLife(
            self._clock, self._stack, opening, self._publisher, self._turns, self._troubles
        )
        self._lives[key] = life
        self._admission.began(key[0])
        if isThere:
            life.takeOver()

        async def live() -> None:
            try:
                await life.run()
            finally:
                del self._lives[key]
                self._admission.ended(key[0])

        Deferred.fromCoroutine(live()).addErrback(
            lambda failure: self._log.failure("the opening of a door went wrong", failure)
        )

    def _refuse(self, refusal: Refusal) -> None:
        leftOut = self._refusals.admit(refusal, self._clock.seconds())
        if leftOut is None:
            return
        self._publisher.publish(
            REFUSED,
            door=refusal.door,
            source=refusal.source,
            reason=refusal.reason,
            leftOut=leftOut,
        )

    def _tellGuessing(self, guessing: Guessing) -> None:
        many = f"{guessing.networks}{' or more' * (guessing.networks >= MAX_COUNTED)}"
        length = formatDuration(max(1, round(guessing.seconds)))
        self._publisher.publish(
            GUESSING,
            door=guessing.door,
            reason=f"{guessing.count} wrong orders in {length}, from {many} networks. Until that "
            f"ends, a network that makes a mistake is ignored for up to "
            f"{formatDuration(WARY_PENALTY)}. Sealed knocks cannot be guessed",
        )
