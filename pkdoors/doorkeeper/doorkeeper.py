"""The doorkeeper: the one place that owns time and openings."""

from collections.abc import Callable, Iterable
from itertools import count

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pkdoors.doorkeeper._announcing import announce
from pkdoors.doorkeeper._carrying import carryOver, moveLives
from pkdoors.doorkeeper._closer import Closer
from pkdoors.doorkeeper._hearing import Hearing
from pkdoors.doorkeeper._life import OpeningLife
from pkdoors.doorkeeper._lives import Lives
from pkdoors.doorkeeper._refusing import RefusalReport
from pkdoors.doorkeeper._report import OpeningReport
from pkdoors.doorkeeper._settling import Closing, Key, Waiters
from pkdoors.doorkeeper._uses import UseWatch
from pkdoors.doorkeeper.admission import MAX_OPENINGS, Admission
from pkdoors.doorkeeper.state import OpeningStatus, Snapshot
from pkdoors.errors import FirewallError
from pkdoors.events.counters import Counters
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.clientaddress import findUseless, readClient
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request, Result
from pkdoors.locks.lockset import AnyLock, Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import Principal
from pkdoors.model.sources import Source
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.turns import Turns


class Doorkeeper:
    """
    Shows knocks to the locks, and makes openings of what the locks yield.

    @param clock: must not jump: a deadline is not a time of day.
    @param publisher: publishes what happens, and knows the time of day.
    @param makeLock: makes the lock of a door.
    @param counters: where knocks are counted.
    @param logKnocks: whether to log each datagram, and what each door makes of it.
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
        self._refusals = RefusalReport(clock, self._publisher)
        self._troubles = LineLimit()
        self._turns = Turns(clock)
        self.doors = tuple(doors)
        self._hearing = Hearing(
            clock,
            self._publisher,
            counters or Counters(),
            self._refusals,
            self.request,
            Lockset(map(makeLock, self.doors)),
            logKnocks,
        )
        self._lives = Lives()
        self._settled, self._closed = Waiters(), Waiters()
        self._admission = Admission()
        self._closer = Closer(self._lives, self._closed, self._refusals, self._turns)
        self._uses = UseWatch(clock, stack, self._lives)
        self._grants = count(1)

    def prepare(self) -> None:
        """
        Check that the firewall can do its work.

        @raise FirewallError: it cannot.
        """
        self._stack.prepare(self.doors)

    def start(self) -> None:
        """
        Close the doors, except for the openings that an earlier daemon left.

        @raise FirewallError: the firewall refused.
        """
        now = self._clock.seconds()
        for opening in self._stack.start(self.doors, self._lives.wanted, self._retry):
            self._begin(opening, now, None)

    async def change(self, doors: tuple[Door, ...]) -> None:
        """
        Guard other doors, in one step. An opening remains if its door keeps its name and its ports,
        though never longer than the door now allows; all others are closed.

        @raise FirewallError: the firewall refused; nothing was changed.
        """
        fresh = self._hearing.locks.makeMissing(doors, self._makeLock)  # before anything is changed
        self._uses.look()
        await self._stack.change(doors, carryOver(self._lives, doors, self._clock.seconds()))
        self.doors = doors
        self._hearing.locks = self._hearing.locks.replaceDoors(doors, fresh)
        moveLives(self._lives, doors, self._clock.seconds())
        self._uses.startIfNeeded()

    def announce(self, doors: Iterable[Door]) -> list[str]:
        """See L{announce}."""
        return announce(self._publisher, doors, self._stack.name)

    async def waitForOuter(self, patience: float) -> list[str]:
        """See L{FirewallStack.waitForOuter}."""
        return await self._stack.waitForOuter(patience)

    def knock(self, knock: Knock) -> None:
        """Hear one knock, see L{hear}."""
        self.hear([knock])

    def hear(self, knocks: Iterable[Knock]) -> None:
        """Hear knocks. Nothing is raised: the reactor would stop reading that port."""
        self._hearing.hear(knocks)

    def heed(self, results: Iterable[Result]) -> None:
        """Act on what locks yield."""
        self._hearing.heed(results)

    def request(self, request: Request) -> None:
        """Open the door or, if it is open for this source already, move the deadline."""
        door = request.door
        key = (door.name, readClient(request.source))
        seconds = min(door.grant(request.seconds), request.most or door.maxOpenFor)
        now, isThere = self._clock.seconds(), self._isThere(key, request.who)
        opening = Opening(door, key[1], now + seconds, request.who, next(self._grants))
        if request.close:
            self._closer.closeOwn(request)
        elif reason := findUseless(key[1], isHeard=request.sender == request.source):
            self._refusals.publish(Refusal(door, request.sender, reason))
        elif reason := self._admission.findRefusal(request, isThere, now):
            self._refusals.publish(Refusal(door, request.sender, reason))
        elif isThere:
            self._lives[key].extend(opening)
        else:
            # The firewall comes first: the client waits for it, and for nothing else.
            self._begin(opening, now, self._stack.open(opening))
            self._refusals.noteOpening(request.sender)

    def _isThere(self, key: Key, who: Principal) -> bool:
        """Return whether there is an opening already, with what is known of its use."""
        life = self._lives.get(key)
        if life is None:
            return False
        if life.opening.door.once and life.opening.who.isOther(who):
            self._uses.look()  # if it is used, its time is not for others
            return key in self._lives
        return True

    def open(self, request: Request) -> Deferred[None]:
        """
        Do the same as L{request}.

        @return: fires when the opening has settled: all firewalls have opened it, or one refuses,
            or it was closed again. It never fails, and can be cancelled.
        @raise FirewallError: the door has too many openings.
        """
        key = (request.door.name, readClient(request.source))
        settled = self._settled.next(key)  # before the request: a firewall may answer at once
        self.request(request)
        life = self._lives.get(key)
        if life is None or life.isOpen():
            self._settled.notify(key)
        if life is None:
            raise FirewallError(
                f"door {request.door} has {MAX_OPENINGS} openings already, which is the most"
            )
        return settled

    def close(self, keys: Iterable[Key], who: Principal) -> Closing:
        """See L{Closer.close}."""
        return self._closer.close(keys, who)

    def status(self, door: str, source: Source) -> OpeningStatus | None:
        """Return how things stand with one opening; L{None} if there is none."""
        life = self._lives.get((door, source))
        return life.status() if life is not None else None

    def overlapping(self, opening: Opening) -> list[Source]:
        """Return the other sources that a door is open for, and that share clients with this."""
        return self._lives.overlapping(*opening.key)

    def state(self, source: Source | None = None) -> Snapshot:
        """
        Return how things stand now.

        @param source: only the openings that let this address or network in, without a search
            through all of them.
        """
        self._uses.look()
        if source is None:
            lives = [*self._lives]
        else:
            lives = [
                life for door in self.doors for life in self._lives.lettingIn(door.name, source)
            ]
        return Snapshot(
            self._clock.seconds(),
            self._publisher.wallClock(),
            self.doors,
            tuple(life.status() for life in lives),
            self._hearing.locks.sources() if source is None else {},
        )

    def openings(self) -> list[Opening]:
        """Return what is open now, each with the deadline that the firewall has."""
        return self._lives.granted()

    async def stop(self) -> None:
        """Let go: openings run out by themselves in the firewall, the doors stay closed."""
        self._uses.stop()
        self._hearing.stop()
        for life in self._lives:
            life.leave()
        await self._stack.stop()

    def _retry(self) -> None:
        for life in self._lives:
            life.retry()

    def _begin(self, opening: Opening, requested: float, asked: Deferred[None] | None) -> None:
        """
        Begin an opening.

        @param asked: the firewall's answer; L{None} if it has the opening already.
        """
        key = opening.key
        report = OpeningReport(self._clock, self._publisher, self._troubles, requested)
        life = OpeningLife(self._clock, self._stack, opening, report, self._turns, self._settle)
        self._lives.add(life)
        if opening.door.once:
            self._uses.start()
        self._admission.began(key[0])
        if asked is None:
            life.takeOver()
        else:
            life.begin(asked)

        async def live() -> None:
            try:
                await life.run()
            finally:
                self._lives.remove(key)
                self._admission.ended(key[0])
                self._settled.notify(key)

        Deferred.fromCoroutine(live()).addErrback(
            lambda failure: self._log.failure("the opening of a door went wrong", failure)
        )

    def _settle(self, life: OpeningLife, isClosed: bool) -> None:
        self._settled.notify(life.opening.key)
        if isClosed:
            self._closed.notify(life.opening.key)
