"""Tests of L{pkdoors.util.trouble}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.trouble import Trouble


class TroubleTests(SynchronousTestCase):
    """Tests of L{Trouble}."""

    def setUp(self) -> None:
        """Make a trouble."""
        self.trouble = Trouble()

    def test_once(self) -> None:
        """The same trouble is new only once; a different one is new again."""
        found = [self.trouble.begin(text) for text in ("disk full", "disk full", "no such file")]
        self.assertEqual([True, False, True], found)
        self.assertEqual("no such file", self.trouble.text)

    def test_over(self) -> None:
        """The end of a reported trouble is reported once; then the same trouble is new."""
        self.assertFalse(self.trouble.end())
        self.trouble.begin("disk full")
        self.assertTrue(self.trouble)
        self.assertEqual([True, False], [self.trouble.end(), self.trouble.end()])
        self.assertFalse(self.trouble)
        self.assertTrue(self.trouble.begin("disk full"))

    def test_leftOut(self) -> None:
        """The end of a trouble that was not reported is not reported either."""
        self.assertTrue(self.trouble.begin("disk full", isReported=False))
        self.assertFalse(self.trouble.end())

    def test_reportedBefore(self) -> None:
        """A report that was left out does not undo an earlier one."""
        self.trouble.begin("disk full")
        self.trouble.begin("no such file", isReported=False)
        self.assertTrue(self.trouble.end())
