"""Tests of L{pkdoors.client.core.plan}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.plan import RoundTrip, intervalFor, planPlain, planSealed
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import PORTS

SEQUENCE = Sequence(PORTS)


class PlainPlanTests(SynchronousTestCase):
    """
    Tests of L{planPlain}.
    """

    def test_order(self) -> None:
        """One datagram goes to each port, in order, with a pause between them, and none before."""
        sendings = planPlain(SEQUENCE, b"knock\n", 0.5).sendings
        self.assertEqual(PORTS, tuple(sending.port for sending in sendings))
        self.assertEqual([0.0, 0.5, 0.5, 0.5, 0.5], [sending.pause for sending in sendings])
        self.assertEqual({b"knock\n"}, {sending.datagram for sending in sendings})

    def test_enough(self) -> None:
        """Only all of them together open the door."""
        self.assertEqual(5, planPlain(SEQUENCE, b"knock\n", 0.5).enough)

    def test_portTwice(self) -> None:
        """A port that is in the sequence twice is knocked on twice."""
        sendings = planPlain(Sequence((1, 2, 1, 3, 4)), b"knock\n", 0.5).sendings
        self.assertEqual([1, 2, 1, 3, 4], [sending.port for sending in sendings])


class IntervalTests(SynchronousTestCase):
    """
    Tests of L{intervalFor}.
    """

    def test_interval(self) -> None:
        """It is a quarter of the round trip, from 2.5 to 20 ms, and 20 ms if that is unknown."""
        short = ((0.0, 2.5), (0.001, 2.5), (0.012, 3), (0.032, 8))
        for mean, interval in (*short, (0.08, 20), (9, 20)):
            self.assertEqual(interval, 1000 * intervalFor(RoundTrip(mean, 1.0)))
        self.assertEqual(0.02, intervalFor(None))


class SealedPlanTests(SynchronousTestCase):
    """
    Tests of L{planSealed}.
    """

    def test_rounds(self) -> None:
        """A datagram goes to all ports at once, three times, 20 ms apart."""
        sendings = planSealed(SEQUENCE, [b"x"]).sendings
        self.assertEqual(set(PORTS), {sending.port for sending in sendings[:5]})
        self.assertEqual(PORTS * 3, tuple(sending.port for sending in sendings))
        self.assertEqual(
            [*(0.0,) * 5, 0.02, *(0.0,) * 4, 0.02, *(0.0,) * 4],
            [sending.pause for sending in sendings],
        )

    def test_enough(self) -> None:
        """The first round of the last knock can open the door."""
        for datagrams, enough in (([b"x"], 5), ([b"x", b"y"], 20)):
            self.assertEqual(enough, planSealed(SEQUENCE, datagrams).enough)

    def test_several(self) -> None:
        """Several come one after another, to keep one from displacing another on the way."""
        sendings = planSealed(SEQUENCE, [b"x", b"y"]).sendings
        self.assertEqual([b"x"] * 15 + [b"y"] * 15, [sending.datagram for sending in sendings])
        self.assertEqual((0.0, 0.02), (sendings[0].pause, sendings[15].pause))

    def test_portTwice(self) -> None:
        """A port that is in the sequence twice gets the datagram once in a round."""
        sendings = planSealed(Sequence((1, 2, 1, 3, 4)), [b"x"]).sendings
        self.assertEqual([1, 2, 3, 4] * 3, [sending.port for sending in sendings])
