"""Shows knocks to the locks, and reports what becomes of them."""

from collections.abc import Callable, Iterable, Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.doorkeeper._refusing import RefusalReport
from pkdoors.events.counters import Counters
from pkdoors.events.publisher import EventPublisher
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Guessing, Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.model.doors import Opening
from pkdoors.model.knockports import TcpPort
from pkdoors.util.durations import formatDuration
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.ratelimits import Budget

SWEEP_EVERY = 1.0
"""Seconds between two looks for tries that have ended without success."""
MAX_LOGGED = 100
"""Datagrams that have a line each in a second, if all are to be logged; more are counted."""
MAX_LOGGED_OF_ONE = 40
"""The same, of one source: a sealed knock on 8 ports has 24."""
MAX_QUOTED = 64
"""Bytes of a datagram that its line shows; a sealed knock begins with what is readable."""

_ASKED = {False: "open the door", True: "close the door"}


class Hearing:
    """
    Shows knocks to the locks.

    @param heed: called with a request.
    @param isLogging: whether to log each datagram, and what each door makes of it.
    @ivar locks: those of all doors.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        publisher: EventPublisher,
        counters: Counters,
        refusals: RefusalReport,
        heed: Callable[[Request], object],
        locks: Lockset,
        isLogging: bool,
    ) -> None:
        self.locks = locks
        self._clock = clock
        self._publisher = publisher
        self._counters = counters
        self._refusals = refusals
        self._heedRequest = heed
        self._isLogging = isLogging
        self._mistakes = LineLimit()
        self._useless = LineLimit()
        self._lines = Budget(MAX_LOGGED_OF_ONE, MAX_LOGGED)
        self._unlogged = 0
        self._sweeping: IDelayedCall | None = None

    def hear(self, knocks: Iterable[Knock]) -> None:
        """Hear knocks. Nothing is raised: the reactor would stop reading that port."""
        now, today = self._clock.seconds(), self._publisher.wallClock()
        hear = self._hearAndLog if self._isLogging else self.locks.hear
        unheeded = 0
        for knock in knocks:
            try:
                results = hear(knock, now, today)
                if results:
                    self.heed(results)
                else:
                    unheeded += 1
            except Exception:
                if self._mistakes.admit("", now):
                    self._log.failure("a knock of {source} went wrong", source=knock.source)
        self._counters.knocks["other"] += unheeded
        if unheeded and self._sweeping is None:
            self._sweeping = self._clock.callLater(SWEEP_EVERY, self._sweep)

    def _hearAndLog(self, knock: Knock, now: float, today: float) -> Iterable[Result]:
        if not self._lines.spend(knock.source, now):
            self._unlogged += 1
            return self.locks.hear(knock, now, today)
        meanings = self.locks.explain(knock, now)
        results = self.locks.hear(knock, now, today)
        self._logDatagram(knock, meanings, results)
        return results

    def _logDatagram(
        self, knock: Knock, meanings: Mapping[str, str], results: Iterable[Result]
    ) -> None:
        """
        Log a datagram without its port: others can read the log, and all lines together would show
        them the sequence.
        """
        found = {**meanings}
        for result in results:
            if isinstance(result, Guessing) or result.source != knock.source:
                continue  # a sealed knock that had to give way has another source
            name = result.door.name
            if isinstance(result, Refusal):
                found[name] = f"refused: {result.reason}"
            else:
                found[name] = f"{meanings.get(name, '')}, asks to {_ASKED[result.close]}"
        left, self._unlogged = self._unlogged, 0
        isTcp = isinstance(knock.port, TcpPort)
        self._log.debug(
            "SYN from {source}: {verdict}{more}"
            if isTcp
            else "datagram from {source}, {size} bytes, {quoted}: {verdict}{more}",
            source=knock.source,
            size=len(knock.datagram),
            quoted=repr(knock.datagram[:MAX_QUOTED]),
            verdict="; ".join(f"door {name}: {text}" for name, text in found.items())
            or "no door has this port",
            more=f" ({left} more datagrams not logged)" if left else "",
        )

    def heed(self, results: Iterable[Result]) -> None:
        """Act on what locks yield."""
        for result in results:
            if isinstance(result, Request):
                self._counters.knocks["request"] += 1
                self._heedRequest(result)
            elif isinstance(result, Guessing):
                self._refusals.publishGuessing(result)
            else:
                self._counters.knocks["refused"] += 1
                self._refusals.publish(result)

    def logUseless(self, request: Request, opening: Opening) -> None:
        """
        Log that a good knock prolongs nothing, unless there are too many such lines. Without it, an
        operator could take the knock for one that never came.

        @param opening: what it would have prolonged.
        """
        now = self._clock.seconds()
        if self._useless.admit(f"{request.door.name} {request.source}", now):
            self._log.info(
                "a knock of {source} prolongs nothing: door {door} stays open for {client} for "
                "another {left} anyway",
                source=request.sender,
                door=request.door,
                client=opening.source,
                left=formatDuration(round(max(opening.deadline - now, 0))),
            )

    def _sweep(self) -> None:
        """Report the tries that have ended without success."""
        ended, lost, isBusy = self.locks.takeEndedTries(self._clock.seconds())
        self._sweeping = self._clock.callLater(SWEEP_EVERY, self._sweep) if isBusy else None
        self._refusals.publishUnfinished(ended, lost)

    def stop(self) -> None:
        """Look for such tries no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
