"""A firewall in memory."""

from collections import deque
from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import Source


@implementer(IFirewall)
class FakeFirewall:
    """
    A firewall in memory, whose own timer closes doors.

    @param diary: where all firewalls of a test write their calls, with their names.
    @ivar calls: the calls that came, as text.
    @ivar failures: the errors of the next calls, one each.
    @ivar holding: whether calls wait for L{answer}.
    @ivar hasBegun: whether it still makes an opening that is cancelled.
    @ivar before: what is open when it is started.
    @ivar isForgetful: whether it does not know what is open when it is started.
    @ivar guarded: the doors that it keeps closed now.
    @ivar used: the openings for one connection that were used.
    @ivar drops: how many datagrams it has dropped.
    @ivar junk: how many were no knocks.
    """

    def __init__(self, clock: Clock, name: str = "fake", diary: list[str] | None = None) -> None:
        self.name = name
        self._clock = clock
        self._diary = [] if diary is None else diary
        self._deadlines: dict[tuple[str, str], float] = {}
        self._waiting: deque[Callable[[Exception | None], None]] = deque()
        self._busy: set[tuple[str, str]] = set()
        self._isStarted = False
        self.calls: list[str] = []
        self.failures: list[Exception] = []
        self.holding = False
        self.hasBegun = False
        self.before: list[Opening] = []
        self.isForgetful = False
        self.used: set[tuple[str, Source]] = set()
        self.guarded: tuple[Door, ...] = ()
        self.drops = self.junk = 0
        self._kept: tuple[Door, ...] = ()

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        assert not self._isStarted, "prepared after it was started"
        self._note("prepare")
        self._failOnce()

    def start(self, doors: tuple[Door, ...], lost: Callable[[str], None]) -> list[Opening] | None:
        """See L{IFirewall.start}."""
        assert not self._isStarted, "started twice"
        self._note("start")
        self._failOnce()
        self._isStarted = True
        self.guarded = self._kept = doors
        self.lost = lost
        for each in self.before:
            self._deadlines[(each.door.name, str(each.source))] = each.deadline
        return None if self.isForgetful else self.before

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.foresee}: there is nothing to compute."""

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}."""
        self._note("keep " + ",".join(door.name for door in doors))
        self._kept = doors

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        state = {(each.door.name, str(each.source)): each.deadline for each in openings}
        who = ", ".join(f"{key[1]} until {end:g}" for key, end in state.items())

        doors = self._kept

        def put() -> None:
            self.guarded, self._deadlines = doors, state

        return self._call(f"restore {who}".strip(), ("", ""), put)

    def forget(self) -> None:
        """Lose everything, and report nothing."""
        self._deadlines.clear()

    def flush(self, why: str = "nft changed the guard") -> None:
        """Lose everything, and report it."""
        self._deadlines.clear()
        self.lost(why)

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        assert opening.deadline > self._clock.seconds(), "opened for no time"
        key = (opening.door.name, str(opening.source))
        return self._call(
            f"open {opening.source} until {opening.deadline:g}",
            key,
            lambda: self._deadlines.update({key: opening.deadline}),
        )

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        key = (opening.door.name, str(opening.source))
        return self._call(
            f"close {opening.source}", key, lambda: (self._deadlines.pop(key, None), None)[1]
        )

    def closeMany(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.closeMany}."""
        keys = [(each.door.name, str(each.source)) for each in openings]

        def remove() -> None:
            for key in keys:
                self._deadlines.pop(key, None)

        sources = " ".join(str(each.source) for each in openings)
        return self._call(f"close {sources}", ("", "many"), remove)

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """See L{IFirewall.findUsed}."""
        return [
            (opening, opening.key in self.used)
            for opening in openings
            if opening.key in self.used
            or (opening.door.name, str(opening.source)) not in self._deadlines
        ]

    def countDropped(self) -> int:
        """See L{IFirewall.countDropped}."""
        return self.drops

    def countJunk(self) -> int:
        """See L{IFirewall.countJunk}."""
        return self.junk

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return self._call("stop", ("", "stop"), lambda: None)

    def _call(self, call: str, key: tuple[str, str], effect: Callable[[], None]) -> Deferred[None]:
        assert key not in self._busy, f"{call} while the last call for it is not answered"
        self._note(call)
        self._busy.add(key)
        cancelled = []

        def callOff(answer: Deferred[None]) -> None:
            if call.startswith("open"):
                self._busy.discard(key)
                cancelled.append(key)
                if not self.hasBegun:
                    self._waiting.remove(finish)

        answer: Deferred[None] = Deferred(callOff)

        def finish(error: Exception | None) -> None:
            if cancelled:
                if error is None:
                    effect()
                return
            self._busy.discard(key)
            if answer.called:  # the caller has given up
                return
            if error is not None:
                answer.errback(error)
                return
            effect()
            answer.callback(None)

        if self.holding:
            self._waiting.append(finish)
        else:
            finish(self.failures.pop(0) if self.failures else None)
        return answer

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self._diary.append(f"{self.name}: {call}")

    def _failOnce(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def answer(self, error: Exception | None = None) -> None:
        """Answer the oldest call that waits."""
        self._waiting.popleft()(error)

    def answerAll(self) -> None:
        """Answer all calls that wait, and those that follow from the answers."""
        while self._waiting:
            self.answer()

    def open_(self) -> dict[str, float]:
        """Return which sources can come in now, and until when."""
        return {source: end for (_, source), end in self.doorsOpen().items()}

    def doorsOpen(self) -> dict[tuple[str, str], float]:
        """Return which doors are open for which sources now, and until when."""
        now = self._clock.seconds()
        return {key: end for key, end in self._deadlines.items() if now < end}
