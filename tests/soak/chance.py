"""What the steps of the soak have in common: chance, and what has to come of it."""

import time
from collections.abc import Callable, Sequence
from random import Random

from pkdoors.locks.wrongorders import ALLOWED
from tests.soak.books import PENALTY, Gate, Key
from tests.soak.eyes import Eyes
from tests.soak.world import CLIENTS, World

HANDLED = 1.0
"""Seconds after its last datagram in which a knock has been handled."""
LATE = 3.0
"""Seconds in which something is closed."""

Step = Callable[[], str]
"""Does something and tells what, in a few words."""


class Chance:
    """
    Each step does one thing, and writes into the books what has to come of it.

    @ivar knocks: how many there were, of all kinds.
    @ivar openings: how many times somebody was let in.
    @ivar between: what may happen in the midst of a knock.
    """

    def __init__(self, world: World, eyes: Eyes, random: Random) -> None:
        self.world, self.eyes, self.random = world, eyes, random
        self.knocks = self.openings = 0
        self.between: list[Step] = []
        self._tainted: dict[str, float] = {}  # until when an address may be ignored
        self._wrong: list[Key] = []  # wrong orders that no opening has made good since

    def _source(self, sources: Sequence[str] = CLIENTS) -> str:
        """An address that is not ignored now."""
        while not (free := [each for each in sources if self._isFree(each)]):
            time.sleep(0.1)
        return self.random.choice(free)

    def _isFree(self, source: str) -> bool:
        return self._tainted.get(source, 0.0) < time.monotonic()

    def _taint(self, source: str) -> None:
        self._tainted[source] = time.monotonic() + PENALTY * 1.25 + HANDLED

    def _mayBeWrong(self, gate: Gate, source: str) -> bool:
        """Whether there may be one more wrong order: a wary door has other rules than the books."""
        if len(self._wrong) + 1 >= ALLOWED:
            return False
        self._wrong.append((gate.name, source))
        return True

    def _gates(self) -> list[Gate]:
        return list(self.world.gates.values())

    def _gate(self) -> Gate:
        """One that plain knocks open."""
        return self.random.choice([each for each in self.world.gates.values() if not each.keys])

    def _asked(self) -> int:
        return self.random.choice((0, 0, 2, 4, 10, 1000, 1000))

    def _opened(self, gate: Gate, source: str, began: float, asked: int = 0) -> None:
        self.openings += 1
        self._wrong = [key for key in self._wrong if key != (gate.name, source)]
        ended = time.monotonic() + HANDLED
        self.world.books.opened((gate.name, source), began, ended, gate.grant(asked))

    def _open(self) -> list[Key]:
        """What there has to be now."""
        return sorted(self.world.books.must(time.monotonic()))
