"""The steps of the soak, drawn at random."""

import time
from random import Random

from tests.soak.chance import Step
from tests.soak.eyes import Eyes
from tests.soak.knockers import Knockers
from tests.soak.operators import Operators
from tests.soak.others import Others
from tests.soak.sealers import Sealers
from tests.soak.world import World

MAX_WAIT = 6.0
"""Seconds that a step waits at most."""


class Steps(Knockers, Sealers, Operators, Others):
    """
    @ivar table: the steps, and how often each comes, as against the others.
    """

    def __init__(self, world: World, eyes: Eyes, random: Random) -> None:
        super().__init__(world, eyes, random)
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
        """The next step."""
        return self.random.choices(list(self.table), list(self.table.values()))[0]

    def session(self) -> str:
        """Connect through an open door, and stay: who is in stays in."""
        keys = self._open()
        if not keys:
            return self.knock()
        door, source = self.random.choice(keys)
        if not self.world.stay(source, self.world.gates[door].port):
            return f"{source} would connect through {door}, which closed meanwhile"
        return f"{source} connects through {door}"

    def wait(self) -> str:
        """Let an opening end by itself."""
        now = time.monotonic()
        end = self.world.books.nextEnd(now)
        left = min(max(0.0, end + 1.6 - now), MAX_WAIT)
        time.sleep(left)
        return f"{left:.1f} s pass"
