"""Claims: which host of the fleet is the first to use a seal that is bound to no address."""

from collections.abc import Callable
from itertools import count

from twisted.internet.interfaces import IDelayedCall, IReactorTime

PATIENCE = 1.0
"""Seconds until an answer must be here: a client waits."""
MAX_CLAIMS = 1000
"""Claims that wait for an answer at a time. Each is of a good seal, so strangers cause none."""

Then = Callable[[bool | None], None]


class Claims:
    """
    @param ask: hands the number, the name and the milliseconds of a claim to the fleet's process;
        returns whether that is there.
    """

    def __init__(self, clock: IReactorTime, ask: Callable[[int, str, int], bool]) -> None:
        self._clock = clock
        self._ask = ask
        self._numbers = count(1)
        self._waiting: dict[int, tuple[Then, IDelayedCall]] = {}

    def claim(self, name: str, milliseconds: int, then: Then) -> None:
        """
        Claim a name.

        @param then: called once with whether this host is the first; L{None} if nobody can tell.
        """
        number = next(self._numbers)
        if len(self._waiting) >= MAX_CLAIMS or not self._ask(number, name, milliseconds):
            then(None)
            return
        late = self._clock.callLater(PATIENCE, self.answer, number, None)
        self._waiting[number] = then, late

    def answer(self, number: int, won: bool | None) -> bool:
        """Take an answer. Return whether anybody waited for it."""
        then, late = self._waiting.pop(number, (None, None))
        if then is None or late is None:
            return False
        if late.active():
            late.cancel()
        then(won)
        return True

    def giveUp(self) -> None:
        """Wait for no answer any more: the fleet's process is gone."""
        for number in [*self._waiting]:
            self.answer(number, None)

    def stop(self) -> None:
        """Forget all claims: nothing must open any more."""
        for _, late in self._waiting.values():
            late.cancel()
        self._waiting.clear()
