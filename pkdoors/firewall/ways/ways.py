"""Keeps track of the ways that lead past the protected ports, as containers come and go."""

from collections.abc import Callable, Collection, Generator
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import DirectWay
from pkdoors.firewall.ways._directways import MOST_WAYS, findWays
from pkdoors.firewall.ways.forwards import Forwards
from pkdoors.firewall.ways.natrules import MOST_RULES, runToEnd
from pkdoors.model.ports import PortRange
from pkdoors.util.trouble import Trouble

PAUSE = 0.2
"""Minimum seconds from the end of one look to the next. The kernel reports a new container at once:
the way to it is open for the time of a look, some milliseconds; and for at most this time longer if
something else has just changed."""
TURN = 0.005
"""Seconds for which a look may run before the reactor has its turn."""
SHARE = 9.0
"""After a look, the daemon pauses for at least this many times the time that it took."""
RETRY = 1.0
"""Seconds until a failed look is tried again."""
SHOWN = 4
"""Ways that one line in the log names."""

Work = Generator[Deferred[Any] | None, Any, bool]
"""Pauses with L{None}, or until a Deferred fires; returns whether it failed."""

Reading = Generator[None, None, Forwards]
"""Reads the forwards, and pauses now and then."""


class WaysFinder:
    """
    @param read: reads where the host forwards ports to.
    @param attend: sets which changes of the host's rules require another look, see
        L{pkdoors.firewall.nftables._notifications.Changes.attend}.
    """

    _log = Logger()

    def __init__(
        self, read: Callable[[], Reading], attend: Callable[[Forwards | None], None]
    ) -> None:
        self._read = read
        self._attend = attend
        self._isCut = False
        self._trouble = Trouble()

    def find(
        self, protected: Collection[PortRange], before: tuple[DirectWay, ...]
    ) -> tuple[DirectWay, ...]:
        """Do what L{look} does, without pauses."""
        return runToEnd(self.look(protected, before))

    @property
    def isFailing(self) -> bool:
        """Whether the last look failed."""
        return bool(self._trouble)

    def look(
        self, protected: Collection[PortRange], before: tuple[DirectWay, ...]
    ) -> Generator[None, None, tuple[DirectWay, ...]]:
        """
        Find the ways that lead past ports, and pause now and then.

        @param before: the ways to return if the kernel's rules cannot be read.
        @return: the ways that lead past these ports.
        """
        self._attend(None)  # until the forwards are known, any change counts
        try:
            forwards = yield from self._read()
        except FirewallError as error:
            self._complain(str(error))
            return before
        self._trouble.end()
        self._attend(forwards)
        ways = findWays(forwards.found, protected)
        self._warnIfCut(forwards.isCut or ways.isCut)
        return ways.direct

    def _complain(self, reason: str) -> None:
        if self._trouble.begin(reason):
            self._log.warn(
                "cannot read which ports are forwarded to containers ({reason}): until that works, "
                "a new container may be reached at its own address",
                reason=reason,
            )

    def _warnIfCut(self, isCut: bool) -> None:
        if isCut and not self._isCut:
            self._log.warn(
                "the host forwards more ports than pkdoors can guard ({rules} rules, {ways} "
                "containers' ports): the others can be reached at the containers' own addresses; "
                "drop packets that are forwarded to them, or protect fewer ports",
                rules=MOST_RULES,
                ways=MOST_WAYS,
            )
        self._isCut = isCut

    def report(self, before: Collection[DirectWay], now: Collection[DirectWay]) -> None:
        """Log which ways are guarded from now on, and which no longer are."""
        known, kept = set(before), set(now)
        new = [way for way in now if way not in known]
        gone = [way for way in before if way not in kept]
        parts = [f"guarding {spellWays(new)}"] if new else []
        parts += [f"no longer {spellWays(gone)}"] if gone else []
        if parts:
            self._log.info("ports of containers: {changes}", changes="; ".join(parts))


def spellWays(ways: Collection[DirectWay]) -> str:
    """Return ways past protected ports as an operator reads them; if there are many, the first."""
    shown = ", ".join(spellWay(way) for way in list(ways)[:SHOWN])
    return shown + (f" and {len(ways) - SHOWN} more" if len(ways) > SHOWN else "")


def spellWay(way: DirectWay) -> str:
    """Return a way past a protected port as an operator reads it."""
    address = f"[{way.address}]" if way.address.version == 6 else str(way.address)
    return f"{address}:{way.port} (as {way.wanted}/{way.protocol})"


class Throttle:
    """
    Does work soon after it is wanted, a portion in each turn of the reactor, and pauses after it.

    @param do: makes the work.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, do: Callable[[], Work]) -> None:
        self._clock = clock
        self._do = do
        self._call: IDelayedCall | None = None
        self._isWanted = self._isStopped = False
        self._next = 0.0

    def want(self) -> None:
        """Do the work soon; once more if it is being done now."""
        self._isWanted = True
        if self._call is None:
            delay = max(0.0, self._next - self._clock.seconds())
            self._call = self._clock.callLater(delay, self._begin)

    def _begin(self) -> None:
        self._isWanted = False
        self._goOn(self._do(), self._clock.seconds())

    def _goOn(self, work: Work, began: float, answer: object = None) -> None:
        """
        Work for a while.

        @param answer: of the Deferred for which the work has waited.
        """
        if self._isStopped:
            return
        end = self._clock.seconds() + TURN
        try:
            while self._clock.seconds() < end:
                if isinstance(answer, Failure):
                    waiting = answer.throwExceptionIntoGenerator(work)
                else:
                    waiting = work.send(answer)
                answer = None
                if waiting is not None:
                    waiting.addBoth(partial(self._goOn, work, began))
                    return
        except StopIteration as result:
            self._end(began, hasFailed=bool(result.value))
        except Exception:  # a bug of ours must not end the looking
            self._log.failure("looking for ways to containers failed", Failure())
            self._end(began, hasFailed=True)
        else:
            self._call = self._clock.callLater(0, self._goOn, work, began)

    def _end(self, began: float, hasFailed: bool) -> None:
        self._call = None
        ended = self._clock.seconds()
        self._next = ended + max(RETRY if hasFailed else PAUSE, SHARE * (ended - began))
        if hasFailed or self._isWanted:
            self.want()

    def stop(self) -> None:
        """Do no more work."""
        self._isStopped = True
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()
