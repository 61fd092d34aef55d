"""Tests of L{pkdoors.locks.sealed.checking.queue}."""

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.seal import Sealed, Statement
from pkdoors.locks.sealed.checking.arrivals import ArrivalKey
from pkdoors.locks.sealed.checking.queue import MAX_WAITING, SealQueue, Waiting

SEALED = Sealed(Statement("ssh", 0, 1, "0" * 16, "0" * 8), b"", b"")


class SealQueueTests(SynchronousTestCase):
    """
    Tests of L{SealQueue} with room for ten.
    """

    def setUp(self) -> None:
        """Make the queue."""
        self.lock: Any = object()
        self.queue = SealQueue(10, random.Random(7))

    def add(self, name: int, source: str = "192.0.2.7", spent: int = 5, lock: Any = None) -> Any:
        """Add a knock. Return the name of the one that gave way."""
        key = (source, name, 0)
        waiting = Waiting(lock or self.lock, key, SEALED, source, 0.0, spent, most=15)
        out = self.queue.add(waiting)
        return out and out.key[1]

    def takeAll(self) -> list[int]:
        """Return the names of all knocks, in the order in which they are taken."""
        return [self.queue.take().key[1] for _ in range(len(self.queue))]

    def test_mostSpentFirst(self) -> None:
        """The knock on which most was spent is taken first."""
        for name, spent in enumerate((5, 9, 7, 15, 6)):
            self.add(name, spent=spent)
        self.assertEqual([3, 1, 2, 4, 0], self.takeAll())

    def test_copies(self) -> None:
        """Copies that arrive meanwhile count, up to the maximum."""
        for name in range(3):
            self.add(name)
        for name, count in ((1, 1), (0, 2)):
            for _ in range(count):
                self.assertTrue(self.queue.countCopy(("192.0.2.7", name, 0)))
        self.assertEqual([0, 1, 2], self.takeAll())
        self.add(0)
        for _ in range(50):
            self.queue.countCopy(("192.0.2.7", 0, 0))
        self.assertEqual(15, self.queue.take().spent)

    def test_tooManySpent(self) -> None:
        """The maximum also holds for datagrams that were spent before."""
        self.add(0, spent=99)
        self.assertEqual(15, self.queue.take().spent)

    def test_noCopy(self) -> None:
        """A knock that does not wait has no copies."""
        self.add(0)
        self.assertFalse(self.queue.countCopy(("192.0.2.8", 0, 0)))
        self.queue.take()
        self.assertFalse(self.queue.countCopy(("192.0.2.7", 0, 0)))

    def test_bound(self) -> None:
        """If there is no room, the oldest knock gives way."""
        outs = [self.add(name, spent=5 + name % 3) for name in range(15)]
        self.assertEqual([None] * 10 + [0, 1, 2, 3, 4], outs)
        self.assertEqual(list(range(5, 15)), sorted(self.takeAll()))

    def test_defaultBound(self) -> None:
        """By default, 2048 knocks can wait."""
        self.queue = SealQueue()
        for name in range(MAX_WAITING + 5):
            self.add(name)
        self.assertEqual(2048, len(self.queue))

    def test_few(self) -> None:
        """A crowded network keeps out no other network for longer than one turn."""
        for crowded in ("192.0.2.7", "2001:db8::{:x}"):
            for number in range(9):
                self.add(number, crowded.format(number))
            self.add(99, "2001:db8:1::1")
            self.assertIn(99, self.takeAll()[:2])

    def test_newest(self) -> None:
        """A network's newest knock is taken, as its earlier ones may have expired."""
        for name in range(5):
            self.add(name)
        self.assertEqual(4, self.queue.take().key[1])

    def test_many(self) -> None:
        """Many networks do not keep out a crowded one."""
        first = 0
        for _ in range(300):
            for number in range(5):
                self.add(number)
                self.add(10 + number, f"198.51.100.{number}")
            first += any(name < 10 for name in self.takeAll()[:2])
        self.assertGreater(first, 80)

    def test_any(self) -> None:
        """Of equal knocks each is taken some day."""
        taken = set()
        for _ in range(300):
            for number in range(10):
                self.add(number)
            taken |= {self.queue.take().key[1] for _ in range(2)}
            self.takeAll()
        self.assertEqual(10, len(taken))

    def test_drop(self) -> None:
        """Some knocks can be forgotten; the others stay."""
        other: Any = object()
        for name in range(10):
            self.add(name, spent=5 + name % 2, lock=other if name < 4 else self.lock)
        self.assertEqual((4, 6), (self.queue.count(other), self.queue.count(self.lock)))
        self.queue.drop(lambda each: each.lock is other)
        self.assertEqual((0, 6), (self.queue.count(other), len(self.queue)))
        self.assertEqual([4, 5, 6, 7, 8, 9], sorted(self.takeAll()))

    def test_likeList(self) -> None:
        """After any calls the queue holds what it should, and nothing else."""
        chance = random.Random(8)
        plain: dict[ArrivalKey, int] = {}
        for name in range(5000):
            source = f"192.0.2.{chance.randrange(3)}"
            self.add(name, source)
            plain[source, name, 0] = 5
            if len(plain) > 10:
                del plain[next(iter(plain))]
            for key in chance.choices(list(plain), k=2):
                self.assertTrue(self.queue.countCopy(key))
                plain[key] = min(15, plain[key] + 1)
            if chance.random() < 0.5:
                taken = self.queue.take()
                self.assertEqual(max(plain.values()), taken.spent)
                self.assertEqual(plain.pop(taken.key), taken.spent)
            self.assertEqual(len(plain), len(self.queue))
        self.takeAll()
        self.assertEqual(({}, {}), (self.queue._waiting, self.queue._levels))
