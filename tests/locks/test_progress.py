"""Tests of L{pkdoors.locks._progress}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks._progress import ProgressTable


class ProgressTableTests(SynchronousTestCase):
    """
    A table of four stages, for three keys.
    """

    def setUp(self) -> None:
        """Make the table."""
        self.progress: ProgressTable[str] = ProgressTable(4, 3)

    def left(self, *keys: str) -> str:
        """Return which of some keys it holds."""
        return " ".join(key for key in keys if self.progress.get(key))

    def test_get(self) -> None:
        """A key that was put has its progress, and no other key has any."""
        self.progress.put("a", 2, 30.0, 7)
        self.assertEqual((2, 30.0, 7), self.progress.get("a"))
        self.assertIsNone(self.progress.get("b"))

    def test_replace(self) -> None:
        """A key that is put again has only its new progress."""
        self.progress.put("a", 1, 30.0, 7)
        self.progress.put("a", 3, 40.0)
        self.assertEqual(((3, 40.0, 0), 1), (self.progress.get("a"), len(self.progress)))

    def test_forget(self) -> None:
        """A key that is forgotten takes no memory, and may be forgotten twice."""
        self.progress.put("a", 1, 30.0)
        self.progress.forget("a")
        self.progress.forget("a")
        self.assertEqual((None, 0), (self.progress.get("a"), len(self.progress)))

    def test_oldestGoes(self) -> None:
        """If all keys are at one stage, the one that was put first gives way."""
        for key in "abcd":
            self.progress.put(key, 1, 30.0)
        self.assertEqual("b c d", self.left(*"abcd"))

    def test_putAgainIsYoung(self) -> None:
        """A key that is put again counts as the youngest."""
        for key in "abcad":
            self.progress.put(key, 1, 30.0)
        self.assertEqual("a c d", self.left(*"abcd"))

    def test_lowestGoes(self) -> None:
        """If all stages are equally full, a key at the lowest stage gives way, however young."""
        for key, stage in zip("abcd", (2, 3, 1, 2), strict=True):
            self.progress.put(key, stage, 30.0)
        self.assertEqual("a b d", self.left(*"abcd"))

    def test_stageZero(self) -> None:
        """A key at stage 0 gives way before all others."""
        for key, stage in zip("abcd", (1, 0, 1, 1), strict=True):
            self.progress.put(key, stage, 30.0)
        self.assertEqual("a c d", self.left(*"abcd"))

    def test_flood(self) -> None:
        """A flood of beginners pushes out no key that is further."""
        self.progress.put("a", 2, 30.0)
        self.progress.put("b", 3, 30.0)
        for number in range(1000):
            self.progress.put(f"beginner {number}", 1, 30.0)
        self.assertEqual(("a b", 3), (self.left(*"ab"), len(self.progress)))

    def test_floodAbove(self) -> None:
        """A flood of keys that are further pushes out no beginner."""
        self.progress.put("a", 1, 30.0)
        for number in range(1000):
            self.progress.put(f"flood {number}", 2, 30.0)
        self.assertEqual(("a", 3), (self.left("a"), len(self.progress)))

    def test_advanceWhenFull(self) -> None:
        """A key that advances in a full table pushes out no other."""
        for key in "abc":
            self.progress.put(key, 1, 30.0)
        self.progress.put("a", 2, 30.0)
        self.assertEqual("a b c", self.left(*"abc"))

    def test_sweep(self) -> None:
        """Keys whose time is over are forgotten, at every stage."""
        for key, stage, ends in (("a", 0, 10.0), ("b", 2, 10.0), ("c", 2, 10.1)):
            self.progress.put(key, stage, ends)
        self.progress.sweep(10.0)
        self.assertEqual("c", self.left(*"abc"))

    def test_sweepsEach(self) -> None:
        """So they are if a lower stage is empty, or holds others."""
        for key, stage, ends in (("a", 1, 20.0), ("b", 3, 10.0), ("c", 3, 20.0)):
            self.progress.put(key, stage, ends)
        self.progress.sweep(10.0)
        self.assertEqual("a c", self.left(*"abc"))

    def test_sweepSeldom(self) -> None:
        """A sweep happens at most once a second."""
        self.progress.sweep(9.5)
        self.progress.put("a", 1, 10.0)
        self.progress.sweep(10.4)
        self.assertEqual("a", self.left("a"))
        self.progress.sweep(10.5)
        self.assertEqual("", self.left("a"))

    def test_model(self) -> None:
        """After any calls the bound holds, and both indexes agree."""
        random_ = random.Random(20261107)
        for number in range(5000):
            key = random_.choice("abcdefgh")
            if random_.random() < 0.3:
                self.progress.forget(key)
                self.assertIsNone(self.progress.get(key))
            else:
                self.progress.put(key, random_.randrange(4), number + 5.0)
                self.assertIsNotNone(self.progress.get(key))
            self.progress.sweep(float(number))
            self.assertLessEqual(len(self.progress), 3)
            self.assertEqual(len(self.progress), sum(map(len, self.progress._order)))
