"""How long it takes to guess a sequence: tests of the locks with L{tests.lab.attackers}."""

from math import factorial

from twisted.trial.unittest import SynchronousTestCase

from tests.lab.attackers import PERIOD, Attacker, Progress, hasOpened


class GuessingTests(SynchronousTestCase):
    """
    Tests with five ports, so 120 orders; an attacker expects to try half of them.
    """

    def test_oneSite(self) -> None:
        """With one site, the attacker needs longer than an hour: one order in each period."""
        progress = Attacker(5, 1).attack(3 * PERIOD)
        (_, second), (_, third) = progress.periods[1:]
        self.assertEqual(1, third - second)
        self.assertGreater(progress.timeFor(factorial(5) / 2), 3600)

    def test_manySites(self) -> None:
        """The number of tries grows with the number of sites."""
        one, ten = (Attacker(5, sites).attack(3 * PERIOD) for sites in (1, 10))
        self.assertGreater(ten.periods[-1][1], one.periods[-1][1])
        self.assertLess(ten.timeFor(60), one.timeFor(60))

    def test_rightOrder(self) -> None:
        """The attack leaves the door usable: the right order still opens it."""
        attacker = Attacker(5, 1)
        attacker.attack(PERIOD)
        self.assertTrue(attacker.opens(attacker.address(7)))
        self.assertFalse(hasOpened(attacker.send(attacker.address(8), attacker.guess())))

    def test_timeFor(self) -> None:
        """Times after the attack are extrapolated from its later periods."""
        progress = Progress([(0.0, 0), (1.0, 50)], [(600.0, 50), (1200.0, 51), (1800.0, 52)])
        self.assertEqual(1.0, progress.timeFor(50))
        self.assertEqual(1800.0 + 8 * 600.0, progress.timeFor(60))
