"""The doorkeeper: the one place that owns time and openings."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pkdoors.doorkeeper._announcing import announce, announceTakenOver
from pkdoors.doorkeeper._closer import Closer
from pkdoors.doorkeeper._hearing import Hearing
from pkdoors.doorkeeper._opener import Opener
from pkdoors.doorkeeper._refusing import RefusalReport
from pkdoors.doorkeeper._sealreport import SealReport
from pkdoors.doorkeeper.admission import Admission
from pkdoors.doorkeeper.openings.carrying import Carrying
from pkdoors.doorkeeper.openings.lives import Each, Lives
from pkdoors.doorkeeper.openings.selecting import SLICE, Selector
from pkdoors.doorkeeper.openings.settling import Closing, Key
from pkdoors.doorkeeper.openings.state import OpeningStatus, Page, Selection, Snapshot
from pkdoors.doorkeeper.openings.uses import UseWatch
from pkdoors.doorkeeper.outcome import NOTHING, Outcome
from pkdoors.events.counters import Counters
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.clientaddress import readClient
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request, Result
from pkdoors.locks.lockset import AnyLock, Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.doors import MAX_OPENINGS, Door, Opening
from pkdoors.model.principal import Principal
from pkdoors.model.sources import Source
from pkdoors.util.turns import Turns

SLICES_PER_TURN = 4
"""Slices of work on very many openings that are done in one turn: a millisecond or two each."""
OUTSIDE = (
    "it names no address, and this host does not take part in its fleet now: bind it to an address "
    "(--bind), or knock again"
)


class Doorkeeper:
    """
    Shows knocks to the locks, and makes openings of what the locks yield.

    @param clock: must not jump: a deadline is not a time of day.
    @param publisher: publishes what happens, and knows the time of day.
    @param makeLock: makes the lock of a door.
    @param counters: where knocks are counted.
    @param logKnocks: whether to log each datagram, and what each door makes of it.
    @param maxOpenings: how many openings there may be at a time, of all doors.
    @ivar holdsBack: called with each request that has a seal, when it is heard; returns whether
        somebody else passes it on to L{request} later, or drops it.
    @ivar onClose: called with the name of a door and a source before the operator closes that;
        each is empty for all.
    @ivar seals: reports the seals that have opened or closed a door.
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
        maxOpenings: int = MAX_OPENINGS,
    ) -> None:
        self._clock = clock
        self._stack = stack
        self._publisher = publisher or EventPublisher()
        self._makeLock = makeLock
        self._refusals = RefusalReport(clock, self._publisher)
        self._turns = Turns(clock)
        self._slices = Turns(clock, SLICES_PER_TURN)
        self.doors = tuple(doors)
        self._hearing = Hearing(
            clock,
            self._publisher,
            counters or Counters(),
            self._refusals,
            self._heed,
            Lockset(map(makeLock, self.doors)),
            logKnocks,
        )
        self._admission = Admission(self.doors, maxOpenings)
        self._lives = Lives(clock, self._admission.ended)
        self._closer = Closer(self._lives, stack, self._refusals, Turns(clock, 1), self._turns)
        self.seals = SealReport(self._lives)
        self.holdsBack = self.refuseUnclaimed
        self.onClose: Callable[[str, str], object] = lambda door, source: None
        self._uses = UseWatch(clock, stack, self._lives, self._slices)
        self._opener = Opener(
            clock,
            stack,
            self._publisher,
            self._admission,
            self._lives,
            self._closer,
            self._refusals,
            self._uses,
            self._turns,
        )
        self._selector = Selector(self._lives, self._uses, self._slices, lambda: self.doors)

    @property
    def isStopped(self) -> bool:
        """Whether it has let go of the firewalls, so it opens and closes nothing more."""
        return self._opener.isStopped

    def dateOpenings(self, isDating: bool) -> None:
        """Give each opening the time of day at which it begins, for L{closeOlder}, or no longer."""
        self._opener.isDating = isDating

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
        found = self._stack.start(self.doors, self._wanted, self._retry)
        for opening in found:
            self._opener.begin(opening, now, None)
        self._do(announceTakenOver(found, self._lives, self._turns))

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """Compute, in another thread, what L{change} will need; see L{FirewallStack.foresee}."""
        self._stack.foresee(doors)

    async def change(self, doors: tuple[Door, ...], maxOpenings: int = 0) -> None:
        """
        Guard other doors, in one step. An opening remains if its door keeps its name and its ports,
        though never longer than the door now allows; all others are closed.

        @param maxOpenings: how many there may be now, of all doors; 0 for as many as before.

        @raise FirewallError: the firewall refused; nothing was changed.
        """
        fresh = self._hearing.locks.makeMissing(doors, self._makeLock)  # before anything is changed
        await self._uses.look()
        self._uses.isChanging = True
        try:
            carrying = Carrying(doors, self._clock.seconds())
            await self._stack.change(doors, carrying.carryOver(self._lives))
            self.doors = doors
            self._admission.setDoors(doors, maxOpenings)
            self._hearing.locks = self._hearing.locks.replaceDoors(doors, fresh)
            self._opener.carrying = carrying
            await carrying.move(self._lives, self._slices, self._turns, self._closer.finish)
        finally:
            self._opener.carrying, self._uses.isChanging = None, False
        self._uses.startIfNeeded()

    def _wanted(self) -> Iterable[Opening]:
        """
        Return the openings that should exist. While they get the doors of a reload, those that do
        not go on are left out: the guard has closed them, and a healing must not put them back.
        """

        def look() -> Iterator[Opening]:
            carrying = self._opener.carrying
            return iter(carrying.carryOver(self._lives) if carrying else self._lives.wanted())

        return Each(look)

    async def announce(self, doors: Iterable[Door]) -> list[str]:
        """See L{announce}."""
        return await announce(self._publisher, self._turns, doors, self._stack.name)

    async def waitForOuter(self, patience: float) -> list[str]:
        """See L{FirewallStack.waitForOuter}."""
        return await self._stack.waitForOuter(patience)

    def findLock(self, name: str) -> AnyLock | None:
        """Return the lock of a door, by the door's name; L{None} if there is none."""
        return self._hearing.locks.find(name)

    def knock(self, knock: Knock) -> None:
        """Hear one knock, see L{hear}."""
        self.hear([knock])

    def hear(self, knocks: Iterable[Knock]) -> None:
        """Hear knocks. Nothing is raised: the reactor would stop reading that port."""
        self._hearing.hear(knocks)

    def heed(self, results: Iterable[Result]) -> None:
        """Act on what locks yield."""
        self._hearing.heed(results)

    def _heed(self, request: Request) -> None:
        if request.seal and self.holdsBack(request):
            return
        if self.request(request).result == NOTHING:
            life = self._lives.get((request.door.name, readClient(request.source)))
            if life is not None:
                self._hearing.logUseless(request, life.opening)

    def refuseUnclaimed(self, request: Request) -> bool:
        """
        Hold back what another host of a fleet may have opened for, while nobody asks: in a dry run,
        and as long as a reload has not done all.
        """
        if request.claim:
            self.refuse(Refusal(request.door, request.sender, OUTSIDE, request.who))
        return bool(request.claim)

    def refuse(self, refusal: Refusal) -> None:
        """Report what opens nothing, and did not come from a knock port."""
        self._refusals.publish(refusal)

    def request(self, request: Request) -> Outcome:
        """See L{Opener.request}."""
        if not request.seal:
            return self._opener.request(request)
        key = (request.door.name, readClient(request.source))
        return self.seals.follow(request, key, self._opener.request)

    def open(self, request: Request) -> Deferred[None]:
        """See L{Opener.open}."""
        return self._opener.open(request)

    def close(self, keys: Iterable[Key], who: Principal) -> Closing:
        """See L{Closer.close}."""
        return self._closer.close(keys, who)

    def closeOlder(
        self, matches: Callable[[Opening], bool], stamp: float, reason: str
    ) -> Deferred[int]:
        """See L{Closer.closeOlder}."""
        return self._closer.closeOlder(matches, stamp, reason)

    def status(self, door: str, source: Source) -> OpeningStatus | None:
        """Return how things stand with one opening; L{None} if there is none."""
        life = self._lives.get((door, source))
        return life.status() if life is not None else None

    def overlapping(self, opening: Opening) -> list[Source]:
        """Return the other sources that a door is open for, and that share clients with this."""
        return self._lives.overlapping(*opening.key)

    def state(self) -> Snapshot:
        """Return how things stand now, without the openings, see L{select}."""
        return Snapshot(
            self._clock.seconds(),
            self._publisher.wallClock(),
            self.doors,
            {door.name: self._lives.count(door.name) for door in self.doors},
            self._hearing.locks.sources(),
        )

    def select(self, selection: Selection) -> Coroutine[Any, Any, Page]:
        """See L{Selector.select}."""
        return self._selector.select(selection)

    def openings(self) -> list[Opening]:
        """Return what is open now, each with the deadline that the firewall has."""
        return self._lives.granted()

    async def stop(self) -> None:
        """
        Let go: openings run out by themselves in the firewall, the doors stay closed. Requests that
        come meanwhile are refused.
        """
        self._opener.isStopped = True
        self._uses.stop()
        self._hearing.stop()
        self._lives.leave()
        await self._stack.stop()

    def _retry(self) -> None:
        self._do(self._retryAll())

    async def _retryAll(self) -> None:
        for number, life in enumerate(self._lives):
            if number % SLICE == 0:
                await self._slices.next()
            life.retry()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(
            lambda failure: self._log.failure("work for many openings went wrong", failure)
        )
