"""Tests of L{tests.soak.expectations}."""

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.expectations import SLACK, Expectations

ANN, BOB = ("ssh", "203.0.113.9"), ("vault", "2001:db8::7")
HAIR = 0.01


class ExpectationsTests(SynchronousTestCase):
    """
    Tests with one opening of Ann's, for 10 s, which began between 100 and 101 s.
    """

    def setUp(self) -> None:
        """Note the opening."""
        self.expected = Expectations()
        self.expected.noteOpened(ANN, 100.0, 101.0, 10.0)

    def assertEnds(self, earliest: float, latest: float) -> None:
        """Assert that it must exist until shortly before, and is allowed until shortly after."""
        required, allowed = earliest - SLACK, latest + SLACK
        self.assertEqual(
            [{ANN}, set()], [self.expected.required(required + at) for at in (-HAIR, HAIR)]
        )
        self.assertEqual(
            [{ANN}, set()], [self.expected.allowed(allowed + at) for at in (-HAIR, HAIR)]
        )

    def test_opened(self) -> None:
        """The opening ends when its time is over, and nobody else has one."""
        self.assertEnds(110.0, 111.0)

    def test_extended(self) -> None:
        """A second opening moves the end, but never to an earlier time."""
        self.expected.noteOpened(ANN, 102.0, 103.0, 2.0)
        self.assertEnds(110.0, 111.0)
        self.expected.noteOpened(ANN, 105.0, 106.0, 10.0)
        self.assertEnds(115.0, 116.0)

    def test_doubted(self) -> None:
        """An opening in doubt is allowed, but not required."""
        self.expected.noteDoubtful(BOB, 101.0, 10.0)
        self.assertEqual({ANN}, self.expected.required(102.0))
        self.assertEqual({ANN, BOB}, self.expected.allowed(102.0))

    def test_closed(self) -> None:
        """A closed opening is not allowed any more."""
        self.expected.noteOpened(BOB, 100.0, 101.0, 10.0)
        self.expected.noteClosed([ANN])
        self.assertEqual(
            ({BOB}, {BOB}), (self.expected.required(102.0), self.expected.allowed(102.0))
        )
        self.expected.noteAllClosed()
        self.assertEqual(set(), self.expected.allowed(102.0))

    def test_shortened(self) -> None:
        """A door that allows less time moves the end to an earlier time, never to a later one."""
        for door, most in (("vault", 1.0), ("ssh", 20.0)):
            self.expected.noteShortened(door, 102.0, 103.0, most)
            self.assertEnds(110.0, 111.0)
        self.expected.noteShortened("ssh", 102.0, 103.0, 4.0)
        self.assertEnds(106.0, 107.0)

    def test_takenOver(self) -> None:
        """Another daemon may end it a second earlier, but not later."""
        self.expected.noteTakenOver()
        self.assertEnds(108.9, 111.0)

    def test_ends(self) -> None:
        """A reported end is right within the slack; an unknown opening is always too late."""
        for end, late, early in (
            (110.0 - SLACK, set(), set()),
            (111.0 + SLACK, set(), set()),
            (110.0 - SLACK - HAIR, set(), {ANN}),
            (111.0 + SLACK + HAIR, {ANN}, set()),
        ):
            found = self.expected.findLate({ANN: end}), self.expected.findEarly({ANN: end})
            self.assertEqual((late, early), found, end)
        self.assertEqual({BOB}, self.expected.findLate({BOB: 1.0}))

    def test_nextEnd(self) -> None:
        """C{nextEnd} returns when the next opening must be over."""
        self.expected.noteOpened(BOB, 100.0, 101.0, 2.0)
        self.assertEqual([103.0, 111.0, 0], [self.expected.nextEnd(at) for at in (101, 104, 112)])
