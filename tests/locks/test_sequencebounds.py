"""Tests of L{pkdoors.locks.sequencelock}: its memory, hostile input, and a slow model of it."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.locks._penalties import computePenaltyEnd
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import WrongOrders
from tests.fakes.doors import makeDoor
from tests.locks.sequencecase import ANN, BOB, A, B, C, D, E, LockTestCase, X


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
