"""Tests of L{pkdoors.locks.sequencelock}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.locks._penalties import computePenaltyEnd
from pkdoors.locks.lock import Guessing, Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import WrongOrders
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
            ["-", "wrong port after 1 of 5 knocks, ignored for 5 s", "ignored for another 5.0 s"],
            self.knock(A, C, B),
        )

    def test_wrongLast(self) -> None:
        """Four right knocks and a wrong one do not open the door."""
        self.assertEqual(
            ["-", "-", "-", "-", "wrong port after 4 of 5 knocks, ignored for 5 s"],
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
        reason = "wrong port after 2 of 5 knocks, ignored for 5 s"
        self.assertEqual(Refusal(self.door, ANN, reason), refusal)

    def test_otherPayloadIsNoKnock(self) -> None:
        """A datagram with another payload changes nothing: neither progress nor penalty."""
        self.knock(A, B)
        self.assertEqual(["-", "-"], self.knock(X, C, datagram=b"hello"))
        self.assertEqual(["-", "-", "open"], self.knock(C, D, E))

    def test_otherPayloadDoesNotBegin(self) -> None:
        """A datagram with another payload on the first port takes no memory."""
        self.knock(A, datagram=b"knock")
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
            ["-", "-", "-", "wrong port after 3 of 5 knocks, ignored for 5 s"],
            self.knock(A, B, C, B),
        )

    def test_firstPortStartsOver(self) -> None:
        """The first port in the middle starts over, without a penalty."""
        self.assertEqual(["-"] * 7 + ["open"], self.knock(A, B, C, A, B, C, D, E))

    def test_firstPortLosesProgress(self) -> None:
        """A source that starts over loses its earlier progress."""
        outcomes = self.knock(A, B, C, A, D)
        self.assertEqual("wrong port after 1 of 5 knocks, ignored for 5 s", outcomes[-1])

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
            ["-", "-", "wrong port after 2 of 5 knocks, ignored for 5 s"], self.knock(A, B, C)
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
        self.assertEqual(["ignored for another 0.1 s"] * 5, self.knock(A, B, C, D, E, at=4.9))

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
        self.assertEqual(["ignored for another 3.8 s"], self.knock(B, at=101.25))

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
        self.assertEqual(["too slow: 4 of 5 knocks in 30 s"], self.knock(E, at=130.0))

    def test_countsFromTheFirst(self) -> None:
        """More right knocks do not prolong the time."""
        for at, port in zip((0.0, 10.0, 20.0, 29.0), (A, B, C, D), strict=True):
            self.knock(port, at=at)
        self.assertEqual(["too slow: 4 of 5 knocks in 30 s"], self.knock(E, at=31.0))

    def test_duplicatesDoNotProlong(self) -> None:
        """Duplicates of a port do not prolong it."""
        self.knock(A, B, at=0.0)
        self.knock(B, at=29.0)
        self.assertEqual(["too slow: 2 of 5 knocks in 30 s"], self.knock(C, at=30.0))

    def test_lateIsNoPenalty(self) -> None:
        """A source that was too slow can begin again at once."""
        self.knock(A, B)
        self.assertEqual(["too slow: 2 of 5 knocks in 30 s"], self.knock(C, at=31.0))
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E, at=31.0))

    def test_lateFirstPortBegins(self) -> None:
        """The first port after that time begins again, without a refusal."""
        self.knock(A, B)
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(A, B, C, D, E, at=31.0))


class MemoryTests(LockTestCase):
    """
    The bound of the table, and which source gives way.
    """

    def setUp(self) -> None:
        """Make a lock for four sources."""
        super().setUp()
        self.use(SequenceLock(self.door, maxKnockers=4))

    def flood(self, count: int, at: float = 0.0) -> None:
        """Knock on the first port from many sources."""
        for number in range(count):
            self.knock(A, source=f"10.0.{number // 256}.{number % 256}", at=at)

    def test_bound(self) -> None:
        """However many sources knock, only so many are remembered."""
        self.flood(1000)
        self.assertEqual(4, len(self.lock))

    def test_defaultBound(self) -> None:
        """By default, 32768 sources are remembered."""
        self.use(SequenceLock(self.door))
        self.flood(33_000)
        self.assertEqual(32_768, len(self.lock))

    def test_floodDoesNotPushOutTheAdvanced(self) -> None:
        """A flood on the first port does not affect sources that are further, even by one knock."""
        self.knock(A, B, source=ANN)
        self.knock(A, B, C, D, source=BOB)
        self.flood(1000)
        self.assertEqual(["-", "-", "open"], self.knock(C, D, E, source=ANN))
        self.assertEqual(["open"], self.knock(E, source=BOB))

    def test_floodPushesOutTheOldest(self) -> None:
        """Of the sources with one knock the oldest gives way first."""
        self.knock(A, source=ANN)
        self.knock(A, source=BOB)
        self.flood(3)
        self.assertEqual(["-", "-", "-", "open"], self.knock(B, C, D, E, source=BOB))
        self.assertEqual(["-", "-", "-", "-"], self.knock(B, C, D, E, source=ANN))

    def test_penalisedTakeNone(self) -> None:
        """A source that is ignored has no progress, and takes no place."""
        self.knock(A, source=BOB)
        self.knock(A, D, source=ANN)
        self.flood(3)
        self.assertEqual(["-", "-", "-", "open"], self.knock(B, C, D, E, source=BOB))

    def test_fewestGoFirst(self) -> None:
        """
        If all stages are equally full, a source with the fewest knocks gives way, not the oldest.
        """
        self.knock(A, B, C, source="10.9.9.1")
        self.knock(A, B, C, D, source="10.9.9.2")
        self.knock(A, B, source=ANN)
        self.knock(A, source=BOB)
        self.flood(1)
        self.assertEqual(["open"], self.knock(D, E, source="10.9.9.1")[1:])
        self.assertEqual(["open"], self.knock(E, source="10.9.9.2"))
        self.assertEqual(["-", "-", "open"], self.knock(C, D, E, source=ANN))
        self.assertEqual(["-"] * 4, self.knock(B, C, D, E, source=BOB))

    def test_floodFurther(self) -> None:
        """
        A flood of sources that know two ports pushes out no source that begins, or is further.
        """
        self.knock(A, source=ANN)
        self.knock(A, B, C, source=BOB)
        for number in range(100):
            self.knock(A, B, source=f"10.0.1.{number}")
        self.assertEqual(["-", "-", "-", "open"], self.knock(B, C, D, E, source=ANN))
        self.assertEqual(["-", "open"], self.knock(D, E, source=BOB))

    def test_knockAgainDoesNotPushOut(self) -> None:
        """A source that starts over in a full table takes no other's place."""
        self.knock(A, source=BOB)
        self.flood(3)
        self.knock(A, source="10.0.0.2")
        self.assertEqual(["-", "-", "-", "open"], self.knock(B, C, D, E, source=BOB))

    def test_openingReleases(self) -> None:
        """A source that opened the door takes no memory."""
        self.knock(A, B, C, D, E)
        self.assertEqual(0, len(self.lock))

    def test_timeReleases(self) -> None:
        """A source whose time is over is forgotten when another one begins."""
        self.use(SequenceLock(self.door))
        self.flood(100)
        self.knock(A, B, C, source=BOB)
        self.knock(A, source=ANN, at=31.0)
        self.assertEqual(1, len(self.lock))

    def test_penaltyReleases(self) -> None:
        """A source that is ignored is forgotten at once."""
        self.knock(A, D, source=BOB)
        self.assertEqual(0, len(self.lock))

    def test_timeReleasesNobodyTooEarly(self) -> None:
        """A source with time left is not forgotten with those that have none."""
        self.flood(3, at=0.0)
        self.knock(A, source=BOB, at=20.0)
        self.knock(A, source=ANN, at=31.0)
        self.assertEqual(["-", "-", "-", "open"], self.knock(B, C, D, E, source=BOB, at=49.0))

    def test_garbageTakesNoMemory(self) -> None:
        """Sources without a right knock are not remembered, whatever they send."""
        for number in range(100):
            self.knock(B, C, E, source=f"10.0.0.{number}")
        self.assertEqual(0, len(self.lock))


class GarbageTests(LockTestCase):
    """
    Hostile input.
    """

    def test_randomBytes(self) -> None:
        """Random datagrams never raise an error, never open, and are never remembered."""
        random_ = random.Random(20261101)
        for _ in range(5000):
            datagram = random_.randbytes(random_.choice((0, 1, 6, 9, 40, 2048)))
            port = random_.choice((*self.sequence, X, 0, 65535))
            self.assertIsNone(self.hear(Knock(ANN, port, datagram), random_.random()))
        self.assertEqual(0, len(self.lock))

    def test_mutatedKnocks(self) -> None:
        """Knocks with one changed byte raise no error, and the lock keeps working."""
        random_ = random.Random(20261102)
        for number in range(5000):
            datagram = bytearray(b"knock 86400\n")
            datagram[random_.randrange(12)] = random_.randrange(256)
            port = random_.choice((*self.sequence, X))
            self.locks.hear(Knock(ANN, port, bytes(datagram)), number / 10, 0.0)
        self.assertEqual("open", self.knock(A, B, C, D, E, at=1000.0)[-1])


class SlowLock:
    """
    The rules of the lock in their plainest form, with the whole past of a source, without bounds.
    """

    def __init__(self, ports: tuple[int, ...], timeout: float, penalty: float) -> None:
        self.ports, self.timeout, self.penalty = ports, timeout, penalty
        self.past: dict[
            str, tuple[int, float, float]
        ] = {}  # right knocks, time of the first, ignored until

    def knock(self, source: str, port: int, now: float) -> str:
        """Return C{"-"}, C{"open"}, C{"refused"} or C{"late"}."""
        right, began, ignored = self.past.pop(source, (0, 0.0, now))
        outcome = "-"
        if now < ignored:
            outcome = "refused"
        elif right and now - began >= self.timeout and port != self.ports[0]:
            right, outcome = 0, "late"
        elif port == self.ports[0] and (not right or now - began >= self.timeout):
            right, began = 1, now
        elif right and port == self.ports[right]:
            right += 1
        elif right > 1 and port == self.ports[right - 1]:
            pass
        elif right and port == self.ports[0]:
            right, began = 1, now
        elif right:
            right, ignored, outcome = 0, computePenaltyEnd(now, self.penalty), "refused"
        if right == len(self.ports):
            right, outcome = 0, "open"
        self.past[source] = (right, began, ignored)
        return outcome


class ModelTests(SynchronousTestCase):
    """
    Compare the lock with L{SlowLock}.
    """

    def compare(self, ports: tuple[int, ...], penalty: float, seed: int) -> dict[str, int]:
        """Knock 4000 times on both, mostly right and with pauses, and count the outcomes."""
        random_ = random.Random(seed)
        lock = SequenceLock(makeDoor(ports, knockTimeout=8.0, penalty=penalty))
        locks = Lockset([lock])
        model = SlowLock(ports, 8.0, penalty)
        wanted = {"10.0.0.1": 0, "10.0.0.2": 0, "fd00::3": 0}
        counts = {"-": 0, "open": 0, "refused": 0}
        now = 0.0
        for _ in range(4000):
            now += random_.choice((0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 3.0))
            source = random_.choice(list(wanted))
            port = random_.choice(ports)
            if random_.random() < 0.9:
                port = ports[wanted[source] % len(ports)]
                wanted[source] += random_.random() < 0.9
            result = next(iter(locks.hear(Knock(source, port, b"knock\n"), now, 0.0)), None)
            lock.wrongOrders = WrongOrders()  # other tests cover so many
            kind = {Request: "open", Refusal: "refused"}.get(type(result), "-")
            expected = model.knock(source, port, now)
            if expected == "late":  # a refusal, unless the source has been forgotten
                expected = kind if kind != "open" else "not open"
            self.assertEqual(expected, kind, (ports, seed, now, port))
            counts[kind] += 1
        return counts

    def test_agree(self) -> None:
        """Random knocks, with and without repeated ports, have the same outcome in both."""
        for ports in ((1, 2, 3, 4, 5), (1, 2, 1, 3, 4), (1, 1, 2, 3, 4), (1, 2, 2, 1, 1, 3)):
            for penalty in (0.0, 0.5, 5.0):
                counts = self.compare(ports, penalty, seed=len(ports) + int(penalty))
                self.assertGreater(min(counts.values()), 20, (ports, penalty, counts))
