"""The steps of the soak, drawn at random."""

import time
from random import Random

from tests.soak.checker import Checker
from tests.soak.operatorsteps import OperatorSteps
from tests.soak.othersteps import OtherSteps
from tests.soak.plainsteps import PlainSteps
from tests.soak.sealedsteps import SealedSteps
from tests.soak.stepbase import Step
from tests.soak.world import World

MAX_WAIT = 6.0
"""The most seconds that a step waits."""


class Steps(PlainSteps, SealedSteps, OperatorSteps, OtherSteps):
    """
    @ivar table: the steps, and how often each of them comes, relative to the others.
    """

    def __init__(self, world: World, checker: Checker, random: Random) -> None:
        super().__init__(world, checker, random)
        self.between = [self.flush, self.deleteTable, self.deleteElement, self.reload]
        self.table: dict[Step, int] = {
            self.knock: 9,
            self.again: 9,
            self.seal: 12,
            self.half: 5,
            self.halfSeal: 4,
            self.wrong: 4,
            self.penalised: 3,
            self.malformed: 2,
            self.stranger: 6,
            self.forged: 3,
            self.replay: 8,
            self.sealedClose: 4,
            self.operatorOpens: 5,
            self.operatorCloses: 4,
            self.operatorClosesAll: 2,
            self.command: 1,
            self.flush: 5,
            self.deleteTable: 3,
            self.deleteElement: 4,
            self.emptyGuard: 2,
            self.plant: 3,
            self.restart: 5,
            self.reload: 2,
            self.changeTimes: 6,
            self.changeDoors: 4,
            self.badFile: 2,
            self.session: 3,
            self.wait: 6,
        }
        if world.firewalld:
            self.between = [self.firewalldReload, self.firewalldRestart, self.reload]
            self.table |= {self.firewalldReload: 8, self.firewalldRestart: 4, self.saved: 2}

    def draw(self) -> Step:
        """Return the next step."""
        return self.random.choices(list(self.table), list(self.table.values()))[0]

    def session(self) -> str:
        """Connect through an open door, and stay connected: sessions survive their opening."""
        keys = self._listOpenings()
        if not keys:
            return self.knock()
        door, source = self.random.choice(keys)
        if not self.world.stay(source, self.world.gates[door].port):
            return f"{source} tries to connect through {door}, which has just closed"
        return f"{source} connects through {door}"

    def wait(self) -> str:
        """Wait until an opening ends by itself."""
        now = time.monotonic()
        end = self.world.expected.nextEnd(now)
        left = min(max(0.0, end + 1.6 - now), MAX_WAIT)
        time.sleep(left)
        return f"{left:.1f} s pass"
