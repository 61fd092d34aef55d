"""Tests of L{pkdoors.locks.wrongorders}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.wrongorders import ALLOWED, MAX_COUNTED, REGAIN, REPORT_EVERY, WrongOrders


class WrongOrdersTests(SynchronousTestCase):
    """
    Tests of L{WrongOrders}.
    """

    def setUp(self) -> None:
        """Make an empty counter."""
        self.wrong = WrongOrders()

    def add(self, count: int, at: float = 0.0, network: str = "") -> None:
        """Add so many wrong orders, of one network or of as many networks."""
        for number in range(count):
            self.wrong.add(network or f"n{number}", at)

    def test_wary(self) -> None:
        """
        Ten wrong orders are accidents, from however many networks; with them the door is wary.
        """
        self.add(ALLOWED - 1)
        self.assertFalse(self.wrong.isWary(0.0))
        self.add(1)
        self.assertTrue(self.wrong.isWary(0.0))

    def test_regain(self) -> None:
        """One more is allowed each hour, however many there were meanwhile."""
        self.add(100)
        for hour in (1, 2, 3):
            self.assertTrue(self.wrong.isWary(hour * REGAIN - 1))
            self.assertFalse(self.wrong.isWary(hour * REGAIN))
            self.add(1, at=hour * REGAIN)

    def test_slow(self) -> None:
        """A slower guesser never makes the door wary; after a pause there are ten again."""
        for hour in range(100):
            self.assertFalse(self.wrong.isWary(hour * REGAIN))
            self.add(1, at=hour * REGAIN)
        later = 200 * REGAIN
        self.add(ALLOWED - 1, at=later)
        self.assertFalse(self.wrong.isWary(later))

    def test_pause(self) -> None:
        """The hours that pass count, not the times of the knocks."""
        self.add(ALLOWED)
        self.add(2, at=3.5 * REGAIN)
        self.assertFalse(self.wrong.isWary(3.5 * REGAIN))
        self.add(1, at=3.5 * REGAIN)
        self.assertTrue(self.wrong.isWary(4 * REGAIN - 1))
        self.assertFalse(self.wrong.isWary(4 * REGAIN))

    def test_notPutOff(self) -> None:
        """A further wrong order does not delay the end of the first one."""
        self.add(1)
        self.add(ALLOWED - 1, at=0.9 * REGAIN)
        self.assertFalse(self.wrong.isWary(REGAIN))

    def test_oldest(self) -> None:
        """The oldest wrong order is forgotten, whoever sent it."""
        self.add(1, network="a")
        self.add(ALLOWED - 1, network="b")
        self.assertFalse(self.wrong.isWary(REGAIN))
        self.wrong.forgive("b")
        self.add(ALLOWED - 1, at=REGAIN)
        self.assertFalse(self.wrong.isWary(REGAIN))

    def test_forgive(self) -> None:
        """The wrong orders of a network are taken back, and no others."""
        self.add(4, network="a")
        self.add(6, network="b")
        self.wrong.forgive("c")
        self.assertTrue(self.wrong.isWary(0.0))
        self.wrong.forgive("a")
        self.add(3)
        self.assertFalse(self.wrong.isWary(0.0))
        self.add(1)
        self.assertTrue(self.wrong.isWary(0.0))

    def test_report(self) -> None:
        """
        The first report comes when the door is wary, and covers what led to it; the next ten
        minutes later.
        """
        self.add(6, at=10.0)
        self.assertIsNone(self.wrong.report(10.0))
        self.add(4, at=70.0)
        self.assertEqual((10, 6, 60.0), self.wrong.report(70.0))
        self.add(500, at=80.0, network="x")
        self.assertIsNone(self.wrong.report(80.0))
        later = 70.0 + REPORT_EVERY
        self.add(1, at=later)
        self.assertEqual((501, 2, later - 80.0), self.wrong.report(later))

    def test_memory(self) -> None:
        """It remembers a bounded number of networks, however many there are."""
        self.add(50_000)
        self.assertEqual(ALLOWED, len(self.wrong._networks))
        self.assertEqual((50_000, MAX_COUNTED, 0.0), self.wrong.report(0.0))
