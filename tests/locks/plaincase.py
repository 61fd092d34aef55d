"""A test case with two doors that share ports."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.lock import Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import ALLOWED
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort
from tests.fakes.doors import knocks, makeDoor

A, B, C, D, E, F = 1001, 1002, 1003, 1004, 1005, 1006
SSH = makeDoor((A, B, C, D, E), name="ssh")
WEB = makeDoor((B, A, C, F, D), ports="443", name="web")
ANN, BOB = "203.0.113.9", "2001:db8::7"


class PlainKnocksTestCase(SynchronousTestCase):
    """
    A test with two doors that share ports.
    """

    doors: tuple[Door, ...] = (SSH, WEB)

    def setUp(self) -> None:
        """Make their locks."""
        self.locks = Lockset(map(SequenceLock, self.doors))

    def hear(self, source: str, *ports: KnockPort, at: float = 0.0) -> list[Result]:
        """Return the results of the knocks of one source."""
        return [
            result for knock in knocks(source, *ports) for result in self.locks.hear(knock, at, 0.0)
        ]

    def opened(self, source: str, *ports: KnockPort, at: float = 0.0) -> list[str]:
        """Return the doors that the knocks open for this source."""
        results = [each for each in self.hear(source, *ports, at=at) if isinstance(each, Request)]
        self.assertEqual({source}, {each.source for each in results} | {source})
        return [each.door.name for each in results]

    def refused(self, source: str, *ports: KnockPort, at: float = 0.0) -> list[str]:
        """Return the reasons of the refusals, with their doors."""
        results = self.hear(source, *ports, at=at)
        return [f"{each.door.name}: {each.reason}" for each in results if isinstance(each, Refusal)]

    def makeWary(self, *ports: KnockPort, at: float = 0.0) -> list[Result]:
        """Make ten networks, or another number, knock in a wrong order at ssh."""
        ports = ports or (A, C)
        return [
            each for n in range(ALLOWED) for each in self.hear(f"198.51.100.{n}", *ports, at=at)
        ]
