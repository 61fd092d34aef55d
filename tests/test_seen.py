"""Tests of L{pkdoors.seals.seen}."""

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.seals import seen as seenModule
from pkdoors.seals.seen import MAX_SEEN, Seen

KEY, OTHER = b"a key", b"another key"
STARTED = 1_800_000_000.5


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

    def test_floor(self) -> None:
        """The floor is the start, in milliseconds."""
        self.assertEqual(1_800_000_000_500, self.seen.floor)

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
        self.assertEqual((1, 1_800_000_000_500), (len(self.notes), later.floor))

    def test_forgetting(self) -> None:
        """Where the oldest is forgotten, all that are as old are refused from then on."""
        self.patch(seenModule, "MAX_SEEN", 2)
        base = self.seen.floor
        for number, nonce in enumerate(("0a", "0b", "0c")):
            self.seen.add(KEY, nonce, base + 100 * number)
        self.assertEqual(
            [False, True, True], [self.seen.has(KEY, nonce) for nonce in ("0a", "0b", "0c")]
        )
        self.assertEqual(base + 1, self.seen.floor)

    def test_floorOnlyRises(self) -> None:
        """The floor does not sink where what is forgotten is older than it."""
        self.patch(seenModule, "MAX_SEEN", 1)
        for nonce, stamp in (("0a", self.seen.floor + 5), ("0b", 7), ("0c", 8)):
            self.seen.add(KEY, nonce, stamp)
        self.assertEqual(1_800_000_000_506, self.seen.floor)

    def test_bound(self) -> None:
        """Only so many take memory."""
        self.seen.load((f"{number:032x}", number) for number in range(MAX_SEEN + 1000))
        self.assertEqual(65_536, len(self.seen._stamps))
