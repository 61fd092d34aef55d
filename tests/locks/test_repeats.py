"""Tests of L{pkdoors.locks.repeats}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks._penalties import MAX_PENALTIES
from pkdoors.locks.repeats import SENT_AGAIN, Repeats

KNOCK = ("203.0.113.9", 7000, 40000, 123456)


class RepeatsTests(SynchronousTestCase):
    """
    Tests of L{Repeats}.
    """

    def test_once(self) -> None:
        """A knock is new once, until the kernel of its client sends it no more."""
        repeats = Repeats()
        self.assertFalse(repeats.isRepeat(KNOCK, 10.0))
        self.assertTrue(repeats.isRepeat(KNOCK, 10.0))
        # Later copies do not prolong that.
        self.assertTrue(repeats.isRepeat(KNOCK, 9.9 + SENT_AGAIN))
        self.assertFalse(repeats.isRepeat(KNOCK, 10.0 + SENT_AGAIN))

    def test_linux(self) -> None:
        """It knows every copy that Linux 6.18 sends if nobody answers; these times are measured."""
        repeats = Repeats()
        self.assertFalse(repeats.isRepeat(KNOCK, 0.0))
        for now in (1.0, 2.0, 3.1, 4.1, 5.1, 7.1, 11.2, 19.4, 35.5, 69.6):
            self.assertTrue(repeats.isRepeat(KNOCK, now), now)

    def test_flood(self) -> None:
        """A flood that fills a quarter of its room makes it forget almost nothing."""
        repeats = Repeats()
        honest = [(*KNOCK[:3], number) for number in range(1000)]
        for knock in honest:
            repeats.isRepeat(knock, 0.0)
        for number in range(MAX_PENALTIES // 4):
            repeats.isRepeat(("192.0.2.7", 7000, 1, number), 0.1)
        kept = sum(repeats.isRepeat(knock, 1.0) for knock in honest)
        self.assertGreater(kept, 990)
