"""Tests of L{tests.soak.books}."""

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.books import SLACK, Books

ANN, BOB = ("ssh", "203.0.113.9"), ("vault", "2001:db8::7")
HAIR = 0.01


class BooksTests(SynchronousTestCase):
    """
    With one opening of Ann's, for 10 s, from between 100 and 101 s.
    """

    def setUp(self) -> None:
        """Open it."""
        self.books = Books()
        self.books.opened(ANN, 100.0, 101.0, 10.0)

    def assertEnds(self, earliest: float, latest: float) -> None:
        """Assert that it must be there until shortly before, and may be until shortly after."""
        must, may = earliest - SLACK, latest + SLACK
        self.assertEqual([{ANN}, set()], [self.books.must(must + at) for at in (-HAIR, HAIR)])
        self.assertEqual([{ANN}, set()], [self.books.may(may + at) for at in (-HAIR, HAIR)])

    def test_opened(self) -> None:
        """It ends when its time is over, and nobody else has one."""
        self.assertEnds(110.0, 111.0)

    def test_extended(self) -> None:
        """Another one moves its end, never to an earlier time."""
        self.books.opened(ANN, 102.0, 103.0, 2.0)
        self.assertEnds(110.0, 111.0)
        self.books.opened(ANN, 105.0, 106.0, 10.0)
        self.assertEnds(115.0, 116.0)

    def test_doubted(self) -> None:
        """What may have opened may be there, but need not."""
        self.books.doubted(BOB, 101.0, 10.0)
        self.assertEqual({ANN}, self.books.must(102.0))
        self.assertEqual({ANN, BOB}, self.books.may(102.0))

    def test_closed(self) -> None:
        """What was closed may not be there any more."""
        self.books.opened(BOB, 100.0, 101.0, 10.0)
        self.books.closed([ANN])
        self.assertEqual(({BOB}, {BOB}), (self.books.must(102.0), self.books.may(102.0)))
        self.books.closedAll()
        self.assertEqual(set(), self.books.may(102.0))

    def test_shortened(self) -> None:
        """A door that allows less moves the end to an earlier time, never to a later one."""
        for door, most in (("vault", 1.0), ("ssh", 20.0)):
            self.books.shortened(door, 102.0, 103.0, most)
            self.assertEnds(110.0, 111.0)
        self.books.shortened("ssh", 102.0, 103.0, 4.0)
        self.assertEnds(106.0, 107.0)

    def test_takenOver(self) -> None:
        """Another daemon may end it a second sooner, but no later."""
        self.books.takenOver()
        self.assertEnds(108.9, 111.0)

    def test_ends(self) -> None:
        """An end that is told is right within the slack; who is not known here has none."""
        for end, late, early in (
            (110.0 - SLACK, set(), set()),
            (111.0 + SLACK, set(), set()),
            (110.0 - SLACK - HAIR, set(), {ANN}),
            (111.0 + SLACK + HAIR, {ANN}, set()),
        ):
            found = self.books.tooLate({ANN: end}), self.books.tooEarly({ANN: end})
            self.assertEqual((late, early), found, end)
        self.assertEqual({BOB}, self.books.tooLate({BOB: 1.0}))

    def test_nextEnd(self) -> None:
        """It tells when the next one has to be over."""
        self.books.opened(BOB, 100.0, 101.0, 2.0)
        self.assertEqual([103.0, 111.0, 0], [self.books.nextEnd(at) for at in (101, 104, 112)])
