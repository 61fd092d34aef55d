"""Tests of L{pkdoors.daemon.fleet.claims}."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.fleet.claims import MAX_CLAIMS, PATIENCE, Claims


class ClaimsTests(SynchronousTestCase):
    """
    Claims that wait for answers.
    """

    def setUp(self) -> None:
        """Make an empty table."""
        self.clock = Clock()
        self.asked: list[tuple[int, str, int]] = []
        self.isThere = True
        self.answers: list[bool | None] = []
        self.claims = Claims(self.clock, self.ask)

    def ask(self, number: int, name: str, milliseconds: int) -> bool:
        """Note a claim."""
        self.asked.append((number, name, milliseconds))
        return self.isThere

    def claim(self, name: str = "name") -> int:
        """Claim; return the number."""
        self.claims.claim(name, 120_000, self.answers.append)
        return self.asked[-1][0]

    def test_answered(self) -> None:
        """Each claim gets its own answer, once."""
        first, second = self.claim("one"), self.claim("two")
        self.assertEqual([(first, "one", 120_000), (second, "two", 120_000)], self.asked)
        self.assertTrue(self.claims.answer(second, False))
        self.assertTrue(self.claims.answer(first, True))
        self.assertFalse(self.claims.answer(first, False))
        self.assertFalse(self.claims.answer(99, True))
        self.assertEqual([False, True], self.answers)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_late(self) -> None:
        """After a second nobody waits any more, and a later answer is worth nothing."""
        number = self.claim()
        self.clock.advance(PATIENCE)
        self.assertEqual([None], self.answers)
        self.assertFalse(self.claims.answer(number, True))

    def test_away(self) -> None:
        """If nobody follows, there is no wait; nor if the follower leaves."""
        self.isThere = False
        self.claim()
        self.assertEqual([None], self.answers)
        self.isThere = True
        self.claim()
        self.claims.giveUp()
        self.assertEqual([None, None], self.answers)

    def test_tooMany(self) -> None:
        """The number of those that wait is bounded."""
        for _ in range(MAX_CLAIMS + 1):
            self.claim()
        self.assertEqual([None], self.answers)

    def test_stop(self) -> None:
        """At the end all are forgotten."""
        self.claim()
        self.claims.stop()
        self.clock.advance(PATIENCE)
        self.assertEqual([], self.answers)
