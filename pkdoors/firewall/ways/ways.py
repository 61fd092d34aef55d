"""Keeps up with the ways that lead past the protected ports: containers come and go."""

from collections.abc import Callable, Collection, Generator

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import DirectWay
from pkdoors.firewall.ways._directways import MOST_WAYS, findWays
from pkdoors.firewall.ways.forwards import Forwards
from pkdoors.firewall.ways.natrules import MOST_RULES, runToEnd
from pkdoors.model.ports import PortRange

PAUSE = 0.2
"""Seconds from the end of one look to the next at least. A container that starts is told at once:
the way to it is open for about a look's time, some milliseconds; for this time longer at most if
something else has just changed."""
TURN = 0.02
"""Seconds of a look before the knocks have their turn."""
SHARE = 9.0
"""A look that took long is followed by a pause of this many times its own time at least."""
RETRY = 1.0
"""Seconds after which a look that failed is tried again."""
SHOWN = 4
"""Ways that a line in the log names."""

Reading = Generator[None, None, Forwards]
"""Reads in portions."""


class WaysFinder:
    """
    @param read: reads where the host forwards ports to.
    @param attend: is told which changes count, see
        L{pkdoors.firewall.nftables._notifications.Changes.attend}.
    """

    _log = Logger()

    def __init__(
        self, read: Callable[[], Reading], attend: Callable[[Forwards | None], None]
    ) -> None:
        self._read = read
        self._attend = attend
        self._isCut = False
        self._trouble = ""
        self.isFailing = False

    def find(
        self, protected: Collection[PortRange], before: tuple[DirectWay, ...]
    ) -> tuple[DirectWay, ...]:
        """Do L{look} at once."""
        return runToEnd(self.look(protected, before))

    def look(
        self, protected: Collection[PortRange], before: tuple[DirectWay, ...]
    ) -> Generator[None, None, tuple[DirectWay, ...]]:
        """
        Look, in portions.

        @param before: what is returned if the kernel does not tell.
        @return: the ways that lead past these ports.
        """
        self._attend(None)  # until it is known what counts
        try:
            forwards = yield from self._read()
        except FirewallError as error:
            self._complain(str(error))
            return before
        self.isFailing, self._trouble = False, ""
        self._attend(forwards)
        ways = findWays(forwards.found, protected)
        self._sayCut(forwards.isCut or ways.isCut)
        return ways.direct

    def _complain(self, trouble: str) -> None:
        self.isFailing = True
        if trouble != self._trouble:
            self._trouble = trouble
            self._log.warn(
                "cannot read which ports are forwarded to containers ({reason}): until that works, "
                "a new container may be reached at its own address",
                reason=trouble,
            )

    def _sayCut(self, isCut: bool) -> None:
        if isCut and not self._isCut:
            self._log.warn(
                "the host forwards more ports than pkdoors follows ({rules} rules, {ways} "
                "containers' ports): the others can be reached at the containers' own addresses; "
                "drop what is forwarded to them, or protect fewer ports",
                rules=MOST_RULES,
                ways=MOST_WAYS,
            )
        self._isCut = isCut

    def report(self, before: Collection[DirectWay], now: Collection[DirectWay]) -> None:
        """Tell the operator which ways are guarded from now on, and which are not any more."""
        known, kept = set(before), set(now)
        new = [each for each in now if each not in known]
        gone = [each for each in before if each not in kept]
        parts = [f"guarding {spellWays(new)}"] if new else []
        parts += [f"no longer {spellWays(gone)}"] if gone else []
        if parts:
            self._log.info("ports of containers: {changes}", changes="; ".join(parts))


def spellWays(ways: Collection[DirectWay]) -> str:
    """Return ways past protected ports as an operator reads them; of many, the first."""
    shown = ", ".join(spellWay(each) for each in list(ways)[:SHOWN])
    return shown + (f" and {len(ways) - SHOWN} more" if len(ways) > SHOWN else "")


def spellWay(way: DirectWay) -> str:
    """Return a way past a protected port as an operator reads it."""
    address = f"[{way.address}]" if way.address.version == 6 else str(way.address)
    return f"{address}:{way.port} (as {way.wanted}/{way.protocol})"


class Throttle:
    """
    Does something soon after it is wanted, in portions, and never without a pause after it.

    @param do: what; true if it failed.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, do: Callable[[], Generator[None, None, bool]]) -> None:
        self._clock = clock
        self._do = do
        self._call: IDelayedCall | None = None
        self._isWanted = False
        self._next = 0.0

    def want(self) -> None:
        """Do it, soon; once more if it is being done now."""
        self._isWanted = True
        if self._call is None:
            delay = max(0.0, self._next - self._clock.seconds())
            self._call = self._clock.callLater(delay, self._begin)

    def _begin(self) -> None:
        self._isWanted = False
        self._goOn(self._do(), self._clock.seconds())

    def _goOn(self, work: Generator[None, None, bool], began: float) -> None:
        end = self._clock.seconds() + TURN
        try:
            while self._clock.seconds() < end:
                next(work)
        except StopIteration as result:
            self._end(began, hasFailed=bool(result.value))
        except Exception:  # a mistake of ours must not end the looking
            self._log.failure("looking for ways to containers went wrong", Failure())
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
        """Do it no more."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
