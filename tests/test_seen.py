"""Tests of L{pkdoors.seals.seen}."""

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.seals import seen as seenModule
from pkdoors.seals.seen import MAX_SEEN, Seen

KEY, OTHER = b"a key", b"another key"
STARTED, TODAY = 1000.5, 1_800_000_000.0


class SeenTests(SynchronousTestCase):
    """
    Tests of L{Seen}.
    """

    def setUp(self) -> None:
        """Make it."""
        self.notes: list[tuple[str, int]] = []
        self.seen = self.make()

    def make(self) -> Seen:
        """Another one."""
        return Seen(STARTED, lambda name, stamp: self.notes.append((name, stamp)))

    def test_new(self) -> None:
        """What was not seen was not."""
        self.assertFalse(self.seen.has(KEY, "0a"))

    def test_seen(self) -> None:
        """What was is known by key and nonce together."""
        self.seen.add(KEY, "0a", 1)
        self.assertTrue(self.seen.has(KEY, "0a"))
        self.assertFalse(self.seen.has(KEY, "0b"))
        self.assertFalse(self.seen.has(OTHER, "0a"))

    def isTooOld(self, ago: float, now: float, today: float = TODAY) -> bool:
        """Whether a knock is refused that was made so many seconds before today."""
        return self.seen.isTooOld(round(1000 * (today - ago)), now, today)

    def test_started(self) -> None:
        """What was made before the start is too old, what was made after it is not."""
        for up in (0.0, 1.0, 3600.0):
            self.assertTrue(self.isTooOld(up + 0.001, STARTED + up))
            self.assertFalse(self.isTooOld(up, STARTED + up))

    def test_clockWasWrong(self) -> None:
        """It is so too where the time of day was wrong at the start, and was set later."""
        for wrong in (-7200, 7200):
            self.assertFalse(self.isTooOld(5, STARTED + 10, TODAY + wrong))
            self.assertTrue(self.isTooOld(35, STARTED + 10, TODAY + wrong))

    def test_note(self) -> None:
        """Each is noted once, by a name that tells neither key nor nonce."""
        self.seen.add(KEY, "0a", 17)
        self.assertEqual([(sha256(b"a key0a").hexdigest()[:32], 17)], self.notes)

    def test_noteComesFirst(self) -> None:
        """It is noted before it counts as seen: who cannot note it lets nobody in."""
        known: list[bool] = []
        seen = Seen(STARTED, lambda name, stamp: known.append(seen.has(KEY, "0a")))
        seen.add(KEY, "0a", 1)
        self.assertEqual([False], known)

    def test_load(self) -> None:
        """What an earlier daemon noted is seen, and not noted again."""
        self.seen.add(KEY, "0a", 17)
        later = self.make()
        later.load(self.notes)
        self.assertTrue(later.has(KEY, "0a"))
        self.assertEqual(1, len(self.notes))

    def test_forgetting(self) -> None:
        """Where the oldest is forgotten, all that are as old are refused from then on."""
        self.patch(seenModule, "MAX_SEEN", 2)
        base = 1_800_000_000_000
        for number, nonce in enumerate(("0a", "0b", "0c")):
            self.seen.add(KEY, nonce, base + 100 * number)
        self.assertEqual(
            [False, True, True], [self.seen.has(KEY, nonce) for nonce in ("0a", "0b", "0c")]
        )
        old = [self.seen.isTooOld(base + more, 10**9, TODAY) for more in (-1, 0, 1)]
        self.assertEqual([True, True, False], old)

    def test_forgettingTheOlder(self) -> None:
        """What is forgotten later, and is older, changes nothing."""
        self.patch(seenModule, "MAX_SEEN", 1)
        for nonce, stamp in (("0a", 1_800_000_000_005), ("0b", 7), ("0c", 8)):
            self.seen.add(KEY, nonce, stamp)
        self.assertTrue(self.seen.isTooOld(1_800_000_000_005, 10**9, TODAY))

    def test_bound(self) -> None:
        """Only so many take memory."""
        self.seen.load((f"{number:032x}", number) for number in range(MAX_SEEN + 1000))
        self.assertEqual(65_536, len(self.seen._stamps))
