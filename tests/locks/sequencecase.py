"""A test case with a lock for plain knocks."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Guessing, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from tests.fakes.doors import makeDoor

A, B, C, D, E, X = 1001, 1002, 1003, 1004, 1005, 1999
ANN, BOB = "203.0.113.9", "2001:db8::7"


class LockTestCase(SynchronousTestCase):
    """
    A test with a lock of A, B, C, D, E, 30 s for the sequence, and a penalty of 5 s.
    """

    sequence: tuple[int, ...] = (A, B, C, D, E)
    penalty = 5.0

    def setUp(self) -> None:
        """Make the lock."""
        self.use(SequenceLock(makeDoor(self.sequence, penalty=self.penalty)))

    def use(self, lock: SequenceLock) -> None:
        """Use another lock from now on."""
        self.door, self.lock, self.locks = lock.door, lock, Lockset([lock])

    def hear(self, knock: Knock, at: float = 0.0) -> Result | None:
        """Return the result of a knock."""
        results = [*self.locks.hear(knock, at, 0.0)]
        self.assertLessEqual(len(results), 1)
        return results[0] if results else None

    def knock(
        self, *ports: int, at: float = 0.0, source: str = ANN, datagram: bytes = b"knock\n"
    ) -> list[str]:
        """
        Knock on some ports at the same time. Return the outcome of each: C{"-"}, C{"open"} or the
        reason of the refusal.
        """
        return [self.outcome(Knock(source, port, datagram), at) for port in ports]

    def outcome(self, knock: Knock, at: float) -> str:
        """Return the outcome of a knock, and check that it is about the knock's door and source."""
        result = self.hear(knock, at)
        if result is None:
            return "-"
        assert not isinstance(result, Guessing)
        self.assertEqual((self.door, knock.source), (result.door, result.source))
        return "open" if isinstance(result, Request) else result.reason
