"""Ends openings on request."""

from collections.abc import Iterable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pkdoors.doorkeeper._lives import Lives
from pkdoors.doorkeeper._refusing import RefusalReport
from pkdoors.doorkeeper._settling import Closing, Key, Waiters
from pkdoors.locks.lock import Refusal, Request
from pkdoors.model.principal import Principal
from pkdoors.model.sources import readSource
from pkdoors.util.turns import Turns


class Closer:
    """
    @param closed: the callers that wait until an opening is closed.
    """

    _log = Logger()

    def __init__(
        self, lives: Lives, closed: Waiters, refusals: RefusalReport, turns: Turns
    ) -> None:
        self._lives = lives
        self._closed = closed
        self._refusals = refusals
        self._turns = turns

    def close(self, keys: Iterable[Key], who: Principal) -> Closing:
        """
        End openings now; if there are very many, some of them in later turns of the reactor.

        @param keys: those that are not open are not an error.
        @param who: who asks for it.
        """
        keys = list(keys)
        closing = Closing(keys, self._closed)
        self._start(keys, who)
        return closing

    def closeOwn(self, request: Request) -> None:
        """
        Close what the same key opened and what lets the request's address in: a seal proves who
        asks, but not from where. What others earned goes on, also if this key has prolonged it.
        """
        lives = self._lives.lettingIn(request.door.name, readSource(request.source))
        own = [life for life in lives if not life.opening.who.isOther(request.who)]
        for life in lives:
            life.forgetClaims(request.who)
        if lives and not own:
            reason = f"{request.who} cannot close what {lives[-1].opening.who} opened"
            self._refusals.publish(Refusal(request.door, request.sender, reason))
        else:
            self._start([life.opening.key for life in own], request.who, isOwn=True)

    def _start(self, keys: list[Key], who: Principal, isOwn: bool = False) -> None:
        Deferred.fromCoroutine(self._end(keys, who, isOwn)).addErrback(
            lambda failure: self._log.failure("the closing of a door went wrong", failure)
        )

    async def _end(self, keys: list[Key], who: Principal, isOwn: bool) -> None:
        reason = f"asked to by {who}" if str(who) else ""
        for key in keys:
            await self._turns.next()
            if key in self._lives and isOwn:
                self._lives[key].endOwn(who, reason)
            elif key in self._lives:
                self._lives[key].end(reason)
            else:
                self._closed.notify(key)
