"""Ends openings on request."""

from collections.abc import Callable, Iterable
from itertools import islice
from math import inf

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pkdoors.doorkeeper._refusing import RefusalReport
from pkdoors.doorkeeper.openings.life import OpeningLife
from pkdoors.doorkeeper.openings.lives import Each, Lives
from pkdoors.doorkeeper.openings.selecting import SLICE
from pkdoors.doorkeeper.openings.settling import Closing, Key
from pkdoors.errors import FirewallError
from pkdoors.firewall.stack import FirewallStack
from pkdoors.locks.lock import Refusal, Request
from pkdoors.model.doors import Opening
from pkdoors.model.principal import Principal
from pkdoors.model.sources import readSource
from pkdoors.util.turns import Turns

AT_ONCE = 250
"""Openings that the guard closes in one transaction, if their doors have few ports. It takes the
reactor ten milliseconds to look at them."""
PER_TURN = 50
"""Openings that get their new place among all deadlines in one turn: some milliseconds."""
FEW = 25
"""Openings that are closed one by one, because that takes no longer than one turn."""


class Closer:
    """
    @param slices: when the guard may close the next ones.
    @param turns: when the next one may be closed by itself.
    """

    _log = Logger()

    def __init__(
        self,
        lives: Lives,
        stack: FirewallStack,
        refusals: RefusalReport,
        slices: Turns,
        turns: Turns,
    ) -> None:
        self._lives = lives
        self._stack = stack
        self._refusals = refusals
        self._slices = slices
        self._turns = turns

    def close(self, keys: Iterable[Key], who: Principal) -> Closing:
        """
        End openings. If there are many, the guard closes many of them in one step, and each has its
        line in the log later.

        @param keys: those that are not open are not an error.
        @param who: who asks for it.
        """
        closing = Closing(self._lives.closed)
        reason = f"at the request of {who}" if str(who) else ""
        work = Deferred.fromCoroutine(self._closeAll(keys, reason, closing))
        work.addErrback(
            lambda failure: self._log.failure("the closing of a door went wrong", failure)
        )
        return closing

    def closeOlder(
        self, matches: Callable[[Opening], bool], stamp: float, reason: str
    ) -> Deferred[int]:
        """
        End the openings for which a function returns true, if they began before a time.

        @param stamp: the time of day, in seconds since 1970; an opening without one is older.
        @param reason: why, as half a sentence.
        @return: fires with their number when the guard was asked to close all of them.
        """
        return Deferred.fromCoroutine(
            self.closeMatching(lambda o: o.since < stamp and matches(o), reason)
        )

    async def closeMatching(self, matches: Callable[[Opening], bool], reason: str) -> int:
        """
        End the openings for which a function returns true, as L{close} does. What somebody else has
        earned at one of them goes on. Return how many there were.

        @param reason: why, as half a sentence.
        """
        keys: list[Key] = []
        count = 0
        for number, life in enumerate(self._lives):
            if number % SLICE == 0:
                await self._slices.next()
            if life.isShared():
                count += self._lives.has(life) and matches(life.opening)
                life.endMatching(matches, reason)
            elif matches(life.opening) and (life.isWanted() or life.isUsed):
                keys.append(life.opening.key)
        closing = Closing(self._lives.closed)
        await self._closeAll(keys, reason, closing, matches)
        return count + len(keys)

    async def _closeAll(
        self,
        keys: Iterable[Key],
        reason: str,
        closing: Closing,
        matches: Callable[[Opening], bool] = lambda opening: True,
    ) -> None:
        """
        End openings in steps.

        @param matches: returns whether an opening is still to end when its turn comes.
        """
        left = iter(keys)
        while some := [*islice(left, AT_ONCE)]:
            if closing.count:  # the first ones are closed at once
                await self._slices.next()
            together, single = self._sort(some, reason, closing, matches)
            if together and not await self._shut(together, reason):
                await self._shutSingly(together, reason)
            for life in single:
                await self._turns.next()
                if self._lives.has(life) and matches(life.opening):  # much may happen meanwhile
                    life.end(reason)
        closing.complete()

    def _sort(
        self,
        keys: list[Key],
        reason: str,
        closing: Closing,
        matches: Callable[[Opening], bool],
    ) -> tuple[list[OpeningLife], list[OpeningLife]]:
        """
        Wait for openings to close. Return those that the guard can close together, which are not
        wanted from now on, because a healing must not put them back; and the others.
        """
        together: list[OpeningLife] = []
        single: list[OpeningLife] = []
        closing.add(keys)
        for key in keys:
            life = self._lives.get(key)
            if life is None or not matches(life.opening):
                self._lives.closed.notify(key)
            elif len(keys) > FEW and life.isAtRest():
                life.beginShutting(reason)
                together.append(life)
            elif not life.isShutting():  # somebody else has asked for the same
                single.append(life)
        return together, single

    async def _shut(self, lives: list[OpeningLife], reason: str) -> bool:
        """
        Have the guard close openings; what is left to do follows from their deadlines. One that
        somebody has opened again meanwhile stays open.

        @return: whether the guard has done so.
        """
        shutting = Each(lambda: (life.opening for life in lives if life.isShutting()))
        try:
            await self._stack.closeMany(shutting)
        except FirewallError:
            return False
        for first in range(0, len(lives), PER_TURN):
            for life in lives[first : first + PER_TURN]:
                if life.isShutting() and self._lives.has(life):
                    life.shut(reason)
                    self._conceal(life)
                else:
                    self._lives.closed.notify(life.opening.key)
            await self._slices.next()
        return True

    async def _shutSingly(self, lives: list[OpeningLife], reason: str) -> None:
        """Try each by itself after the guard has refused: then it reports what is wrong."""
        for life in lives:
            await self._turns.next()
            if life.isShutting() and self._lives.has(life):
                life.reopen()
                life.end(reason)
            else:
                self._lives.closed.notify(life.opening.key)

    def finish(self, life: OpeningLife, reason: str) -> None:
        """
        End an opening that is at rest, and that the guard has closed already: it is not asked
        again. What is left to do follows from the deadline.

        @param reason: why, as half a sentence.
        """
        life.shut(reason)
        self._stack.noteClosedInnermost([life.opening])
        self._conceal(life)

    def finishNow(self, life: OpeningLife, reason: str) -> None:
        """Do the same whatever it waits for: somebody wants another one in its place."""
        if life.isAtRest():
            self.finish(life, reason)
        else:
            life.end(reason)

    def _conceal(self, life: OpeningLife) -> None:
        """Show an opening no more if only its line in the log is left to do."""
        if self._stack.isInnermostEnough(life.opening):
            self._lives.conceal(life)
            self._lives.closed.notify(life.opening.key)

    def closeOwn(self, request: Request) -> None:
        """
        Close what the same key opened and what lets the request's address in: a seal proves who
        asks, but not from where. What others earned goes on, also if this key has prolonged it; and
        so does what the key earned after it asked, as a fleet can pass on an old seal once more.
        """
        who = request.who
        stamp = inf if request.seal else request.since or inf  # a seal that was heard is a new one

        def isOwn(opening: Opening) -> bool:
            return opening.since <= stamp and not opening.who.isOther(who)

        lives = self._lives.lettingIn(request.door.name, readSource(request.source))
        isStranger = all(life.opening.who.isOther(who) for life in lives)
        if lives and isStranger and not request.via:
            reason = f"{who} cannot close what {lives[-1].opening.who} opened"
            self._refusals.publish(Refusal(request.door, request.sender, reason, who))
        for life in lives:
            life.endMatching(isOwn, f"at the request of {who}" if str(who) else "")
