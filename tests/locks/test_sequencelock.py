"""Tests of L{pkdoors.locks.sequencelock}: what opens the door, and what wrong knocks cost."""

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sequencelock import SequenceLock
from tests.fakes.doors import makeDoor
from tests.locks.sequencecase import ANN, BOB, A, B, C, D, E, LockTestCase, X


class OrderTests(LockTestCase):
    """
    What opens the door.
    """

    def test_rightOrder(self) -> None:
        """All ports in order open the door, with the last knock and not before."""
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E))

    def test_opensAgain(self) -> None:
        """A source that opened the door can open it again at once."""
        self.knock(A, B, C, D, E)
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E))

    def test_openedIsForgotten(self) -> None:
        """After an opening the last port alone does not open the door again."""
        self.knock(A, B, C, D, E)
        self.assertEqual(["-", "-"], self.knock(E, E))

    def test_request(self) -> None:
        """A request has the door and the source, and no time if none was asked for."""
        self.knock(A, B, C, D)
        request = self.hear(Knock(ANN, E, b"knock\n"))
        self.assertEqual(Request(self.door, ANN, 0), request)

    def test_secondsOfTheLastKnock(self) -> None:
        """The last knock decides the time; earlier knocks do not matter."""
        self.knock(A, B, C, D, datagram=b"knock 7\n")
        request = self.hear(Knock(ANN, E, b"knock 600\n"))
        self.assertEqual(Request(self.door, ANN, 600), request)

    def test_missingFirst(self) -> None:
        """Without the first port nothing opens, and nobody is refused or remembered."""
        self.assertEqual(["-", "-", "-", "-"], self.knock(B, C, D, E))
        self.assertEqual(0, len(self.lock))

    def test_strangePortFirst(self) -> None:
        """A knock on another port before the first one does no harm."""
        self.assertEqual(["-"] * 5 + ["open"], self.knock(D, A, B, C, D, E))

    def test_wrongOrder(self) -> None:
        """Two ports exchanged do not open the door, and the operator hears why."""
        self.assertEqual(
            ["-", "wrong port after 1 of 5 knocks, ignored for 5s", "ignored for another 5s"],
            self.knock(A, C, B),
        )

    def test_wrongLast(self) -> None:
        """Four right knocks and a wrong one do not open the door."""
        self.assertEqual(
            ["-", "-", "-", "-", "wrong port after 4 of 5 knocks, ignored for 5s"],
            self.knock(A, B, C, D, B),
        )

    def test_skipped(self) -> None:
        """A sequence without one of its ports does not open the door."""
        self.assertNotIn("open", self.knock(A, B, D, E))

    def test_reversed(self) -> None:
        """The ports in reverse do not open the door."""
        self.assertNotIn("open", self.knock(E, D, C, B, A))

    def test_refusal(self) -> None:
        """A refusal has the door, the source and the reason."""
        self.knock(A, B)
        refusal = self.hear(Knock(ANN, D, b"knock\n"))
        reason = "wrong port after 2 of 5 knocks, ignored for 5s"
        self.assertEqual(Refusal(self.door, ANN, reason), refusal)

    def test_otherPayloadIsNoKnock(self) -> None:
        """A datagram with another payload changes nothing: neither progress nor penalty."""
        self.knock(A, B)
        self.assertEqual(["-", "-"], self.knock(X, C, datagram=b"hello"))
        self.assertEqual(["-", "-", "open"], self.knock(C, D, E))

    def test_otherPayloadDoesNotBegin(self) -> None:
        """A datagram with another payload on the first port takes no memory."""
        self.knock(A, datagram=b"knocks")
        self.assertEqual(0, len(self.lock))

    def test_interleaved(self) -> None:
        """Two sources that knock at the same time both open the door."""
        outcomes = [self.knock(port, source=who) for port in self.sequence for who in (ANN, BOB)]
        self.assertEqual([["-"]] * 8 + [["open"]] * 2, outcomes)

    def test_sharedProgress(self) -> None:
        """The knocks of two sources do not add up."""
        self.knock(A, B, C, source=ANN)
        self.assertEqual(["-", "-"], self.knock(D, E, source=BOB))

    def test_penaltyIsNotShared(self) -> None:
        """The mistakes of one source do not affect another."""
        self.knock(A, B, source=BOB)
        self.knock(A, D, source=ANN)
        self.assertEqual(["-", "-", "open"], self.knock(C, D, E, source=BOB))


class DuplicateTests(LockTestCase):
    """
    Duplicates of the network, and sources that start over.
    """

    def test_duplicates(self) -> None:
        """Every datagram may arrive twice."""
        outcomes = self.knock(A, A, B, B, C, C, D, D, E)
        self.assertEqual(["-"] * 8 + ["open"], outcomes)

    def test_lateDuplicate(self) -> None:
        """A duplicate of an earlier port than the last is a wrong port."""
        self.assertEqual(
            ["-", "-", "-", "wrong port after 3 of 5 knocks, ignored for 5s"],
            self.knock(A, B, C, B),
        )

    def test_firstPortStartsOver(self) -> None:
        """The first port in the middle starts over, without a penalty."""
        self.assertEqual(["-"] * 7 + ["open"], self.knock(A, B, C, A, B, C, D, E))

    def test_firstPortLosesProgress(self) -> None:
        """A source that starts over loses its earlier progress."""
        outcomes = self.knock(A, B, C, A, D)
        self.assertEqual("wrong port after 1 of 5 knocks, ignored for 5s", outcomes[-1])

    def test_firstPortStartsTheTime(self) -> None:
        """A source that starts over has the whole time again."""
        self.knock(A, B, at=0.0)
        self.knock(A, at=29.0)
        self.assertEqual(["-", "-", "-", "open"], self.knock(B, C, D, E, at=58.0))


class RepeatedPortTests(LockTestCase):
    """
    The sequence A, B, A, C, D.
    """

    sequence = (A, B, A, C, D)

    def test_opens(self) -> None:
        """The sequence opens in order."""
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, A, C, D))

    def test_duplicates(self) -> None:
        """
        It opens if every datagram arrives twice: the second A neither starts over nor is wrong.
        """
        self.assertEqual(["-"] * 8 + ["open"], self.knock(A, A, B, B, A, A, C, C, D))

    def test_secondIsNeeded(self) -> None:
        """The repeated port may not be left out."""
        self.assertEqual(
            ["-", "-", "wrong port after 2 of 5 knocks, ignored for 5s"], self.knock(A, B, C)
        )

    def test_startOver(self) -> None:
        """After C the first port starts over."""
        self.assertEqual(["-"] * 8 + ["open"], self.knock(A, B, A, C, A, B, A, C, D))


class DoubledPortTests(LockTestCase):
    """
    The sequence A, A, B, C, D.
    """

    sequence = (A, A, B, C, D)

    def test_opens(self) -> None:
        """The sequence opens in order."""
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, A, B, C, D))

    def test_onceIsTooFew(self) -> None:
        """A single A is not enough."""
        self.assertNotIn("open", self.knock(A, B, C, D))

    def test_duplicates(self) -> None:
        """It opens if every datagram arrives twice."""
        self.assertEqual(["-"] * 8 + ["open"], self.knock(A, A, A, A, B, B, C, C, D))

    def test_doubledAtTheEnd(self) -> None:
        """A port that ends the sequence twice is needed twice."""
        self.use(SequenceLock(makeDoor((A, B, C, D, D))))
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, D))


class PenaltyTests(LockTestCase):
    """
    The consequences of a wrong knock.
    """

    def test_ignored(self) -> None:
        """During the penalty the right sequence does not open."""
        self.knock(A, D)
        self.assertEqual(["ignored for another 1s"] * 5, self.knock(A, B, C, D, E, at=4.9))

    def test_over(self) -> None:
        """After the penalty the right sequence opens."""
        self.knock(A, D)
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E, at=5.0))

    def test_notProlonged(self) -> None:
        """Knocks during the penalty do not prolong it, whether wrong or right."""
        self.knock(A, D)
        for tenths in range(1, 50):
            self.knock(A, D, at=tenths / 10)
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E, at=5.0))

    def test_spoofing(self) -> None:
        """
        An attacker who always spoofs an address with wrong ports, but never with the first port,
        causes no penalty for it.
        """
        for tenths in range(100):
            self.assertEqual(["-", "-"], self.knock(D, B, at=tenths / 10))
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E, at=10.0))

    def test_tellsWhatIsLeft(self) -> None:
        """The refusal says for how long the source is still ignored."""
        self.knock(A, D, at=100.0)
        self.assertEqual(["ignored for another 4s"], self.knock(B, at=101.25))

    def test_strangerPortAfterPenalty(self) -> None:
        """After the penalty the source is like a new one: a wrong port has no effect."""
        self.knock(A, D)
        self.assertEqual(["-"], self.knock(C, at=5.0))
        self.assertEqual(0, len(self.lock))


class NoPenaltyTests(LockTestCase):
    """
    A penalty of 0.
    """

    penalty = 0.0

    def test_startsOver(self) -> None:
        """After a wrong port a source can knock again at once."""
        outcomes = self.knock(A, B, E, A, B, C, D, E)
        expected = ["-", "-", "wrong port after 2 of 5 knocks", "-", "-", "-", "-", "open"]
        self.assertEqual(expected, outcomes)

    def test_losesProgress(self) -> None:
        """A wrong port still ends the progress, and frees its memory."""
        self.knock(A, B, E)
        self.assertEqual(0, len(self.lock))
        self.assertEqual(["-", "-", "-"], self.knock(C, D, E))


class TimeoutTests(LockTestCase):
    """
    The time from the first knock to the last.
    """

    def test_inTime(self) -> None:
        """Just within the time the door opens."""
        self.knock(A, B, C, D, at=100.0)
        self.assertEqual(["open"], self.knock(E, at=129.9))

    def test_tooLate(self) -> None:
        """After the time the door does not open, and the operator hears why."""
        self.knock(A, B, C, D, at=100.0)
        self.assertEqual(["too slow: 4 of 5 knocks in 30s"], self.knock(E, at=130.0))

    def test_countsFromTheFirst(self) -> None:
        """More right knocks do not prolong the time."""
        for at, port in zip((0.0, 10.0, 20.0, 29.0), (A, B, C, D), strict=True):
            self.knock(port, at=at)
        self.assertEqual(["too slow: 4 of 5 knocks in 30s"], self.knock(E, at=31.0))

    def test_duplicatesDoNotProlong(self) -> None:
        """Duplicates of a port do not prolong it."""
        self.knock(A, B, at=0.0)
        self.knock(B, at=29.0)
        self.assertEqual(["too slow: 2 of 5 knocks in 30s"], self.knock(C, at=30.0))

    def test_lateIsNoPenalty(self) -> None:
        """A source that was too slow can begin again at once."""
        self.knock(A, B)
        self.assertEqual(["too slow: 2 of 5 knocks in 30s"], self.knock(C, at=31.0))
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E, at=31.0))

    def test_lateFirstPortBegins(self) -> None:
        """The first port after that time begins again, without a refusal."""
        self.knock(A, B)
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E, at=31.0))
