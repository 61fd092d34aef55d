"""What the steps of the soak have in common: random choices, and what they must result in."""

import time
from collections.abc import Callable, Sequence
from random import Random

from pkdoors.locks.wrongorders import ALLOWED
from tests.soak.checker import Checker
from tests.soak.expectations import PENALTY, Gate, Key
from tests.soak.world import CLIENTS, World

HANDLED = 1.0
"""Seconds that the daemon takes at most for a knock, after its last datagram."""
LATE = 3.0
"""Seconds that closing takes at most."""

Step = Callable[[], str]
"""Does something, and describes it in a few words."""


class StepBase:
    """
    Each step does one thing, and notes what must result from it.

    @ivar knocks: how many knocks there were, of all kinds.
    @ivar openings: how many times a client was let in.
    @ivar between: the steps that may happen in the middle of a knock.
    """

    def __init__(self, world: World, checker: Checker, random: Random) -> None:
        self.world, self.checker, self.random = world, checker, random
        self.knocks = self.openings = 0
        self.between: list[Step] = []
        self._tainted: dict[str, float] = {}  # until when the daemon may ignore an address
        self._wrong: list[Key] = []  # wrong orders that no opening has cleared since

    def _source(self, sources: Sequence[str] = CLIENTS) -> str:
        """Return an address that the daemon does not ignore now."""
        while not (free := [source for source in sources if self._isFree(source)]):
            time.sleep(0.1)
        return self.random.choice(free)

    def _isFree(self, source: str) -> bool:
        return self._tainted.get(source, 0.0) < time.monotonic()

    def _taint(self, source: str) -> None:
        self._tainted[source] = time.monotonic() + PENALTY * 1.25 + HANDLED

    def _mayBeWrong(self, gate: Gate, source: str) -> bool:
        """Return whether one more wrong order is possible: a wary door has rules unknown here."""
        if len(self._wrong) + 1 >= ALLOWED:
            return False
        self._wrong.append((gate.name, source))
        return True

    def _gates(self) -> list[Gate]:
        return list(self.world.gates.values())

    def _gate(self) -> Gate:
        """Return one that plain knocks open."""
        return self.random.choice([gate for gate in self._gates() if not gate.keys])

    def _asked(self) -> int:
        return self.random.choice((0, 0, 2, 4, 10, 1000, 1000))

    def _expectOpening(self, gate: Gate, source: str, began: float, asked: int = 0) -> None:
        self.openings += 1
        self._wrong = [key for key in self._wrong if key != (gate.name, source)]
        ended = time.monotonic() + HANDLED
        self.world.expected.noteOpened((gate.name, source), began, ended, gate.grant(asked))

    def _listOpenings(self) -> list[Key]:
        """Return the openings that must exist now."""
        return sorted(self.world.expected.required(time.monotonic()))
