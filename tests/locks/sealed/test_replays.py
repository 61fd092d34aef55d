"""Tests of L{pkdoors.locks.sealed.replays}."""

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.sealed import replays as seenModule
from pkdoors.locks.sealed.replays import EVERYBODY, MAX_SEEN, ReplayCache

KEY, OTHER = b"a key", b"another key"
STARTED, TODAY = 1000.5, 1_800_000_000.0
NOW = round(TODAY * 1000)


class SeenTestCase(SynchronousTestCase):
    """
    With an empty memory.
    """

    def setUp(self) -> None:
        """Make it."""
        self.notes: list[tuple[str, str, int]] = []
        self.seen = self.make()

    def make(self) -> ReplayCache:
        """Another one."""
        return ReplayCache(STARTED, lambda *note: self.notes.append(note))

    def refusal(self, ago: float, up: float, today: float = TODAY, skew: float = 60.0) -> str:
        """
        Why a knock is refused that was made so many seconds before today.

        @param up: seconds since the start.
        """
        return self.seen.findRefusal(round(1000 * (today - ago)), STARTED + up, today, skew)


class SeenTests(SeenTestCase):
    """
    What was seen.
    """

    def test_new(self) -> None:
        """What was not seen was not."""
        self.assertFalse(self.seen.has(KEY, "0a"))

    def test_seen(self) -> None:
        """What was is known by key and nonce together."""
        self.seen.add(KEY, "0a", 1)
        self.assertTrue(self.seen.has(KEY, "0a"))
        self.assertFalse(self.seen.has(KEY, "0b"))
        self.assertFalse(self.seen.has(OTHER, "0a"))

    def test_started(self) -> None:
        """What was made before the start is refused, what was made after it is not."""
        for up in (0.0, 1.0, 3600.0):
            self.assertIn("older than this daemon", self.refusal(up + 0.001, up))
            self.assertEqual("", self.refusal(up, up))

    def test_clockWasWrong(self) -> None:
        """It is so too where the time of day was wrong at the start, and was set later."""
        for wrong in (-7200, 7200):
            self.assertEqual("", self.refusal(5, 10, TODAY + wrong))
            self.assertNotEqual("", self.refusal(35, 10, TODAY + wrong))

    def test_note(self) -> None:
        """Each is noted once, by a name that does not tell the key."""
        self.seen.add(KEY, "0a", 17)
        self.assertEqual([(sha256(b"a key").hexdigest()[:32], "0a", 17)], self.notes)

    def test_noteComesFirst(self) -> None:
        """It is noted before it counts as seen: who cannot note it lets nobody in."""
        known: list[bool] = []
        seen = ReplayCache(STARTED, lambda *note: known.append(seen.has(KEY, "0a")))
        seen.add(KEY, "0a", 1)
        self.assertEqual([False], known)

    def test_learn(self) -> None:
        """What an earlier daemon noted is seen, and not noted again."""
        self.seen.add(KEY, "0a", 17)
        later = self.make()
        later.learn(self.seen.makeNotes())
        self.assertTrue(later.has(KEY, "0a"))
        self.assertEqual(1, len(self.notes))
        self.assertEqual(self.seen.makeNotes(), later.makeNotes())


class ForgettingTests(SeenTestCase):
    """
    When more come than are remembered.
    """

    def fill(self, key: bytes, count: int, stamp: int) -> None:
        """One key opens so many times."""
        for number in range(count):
            self.seen.add(key, f"{number:016x}", stamp + number)

    def test_guest(self) -> None:
        """
        A key that fills the memory with stamps ahead pushes out its own, and is the only one whose
        knocks are refused for that.
        """
        self.seen.add(KEY, "0a", NOW - 5)
        self.fill(OTHER, 3 * MAX_SEEN, NOW + 59_000)
        self.assertTrue(self.seen.has(KEY, "0a"))
        self.assertFalse(self.seen.isForgotten(KEY, NOW - 5))
        self.assertTrue(self.seen.isForgotten(OTHER, NOW + 59_000))
        self.fill(KEY, 10, NOW)
        self.assertFalse(self.seen.isForgotten(KEY, NOW))
        self.assertTrue(self.seen.has(KEY, f"{9:016x}"))

    def test_guestAcrossRestart(self) -> None:
        """The next daemon knows all that."""
        self.seen.add(KEY, "0a", NOW + 5)
        self.fill(OTHER, 2 * MAX_SEEN, NOW + 59_000)
        later = self.make()
        later.learn(self.seen.makeNotes())
        self.assertTrue(later.has(KEY, "0a"))
        self.assertFalse(later.isForgotten(KEY, NOW))
        self.assertTrue(later.isForgotten(OTHER, NOW + 59_000))

    def test_many(self) -> None:
        """However many keys fill it, each has the same share."""
        self.patch(seenModule, "MAX_SEEN", 100)
        for number in range(1000):
            for key in range(10):
                self.seen.add(b"%d" % key, f"{number:016x}", NOW + number)
        stamps = self.seen._stamps.values()
        self.assertEqual(({10}, 100), ({len(each) for each in stamps}, self.seen._count))

    def test_keysGo(self) -> None:
        """A key of which nothing is remembered any more takes no memory."""
        self.patch(seenModule, "MAX_SEEN", 5)
        for number in range(50):
            self.seen.add(b"%d" % number, "0a", NOW)
        self.assertEqual(5, len(self.seen._stamps))

    def test_twice(self) -> None:
        """What is learnt twice takes room once."""
        self.patch(seenModule, "MAX_SEEN", 5)
        for number in range(5):
            self.seen.add(KEY, f"{number}", NOW)
        self.seen.learn(self.seen.makeNotes())
        self.assertEqual({}, self.seen.makeNotes().forgotten)

    def test_oldest(self) -> None:
        """Of a key the oldest is forgotten, and all of it that are as old are refused."""
        self.patch(seenModule, "MAX_SEEN", 2)
        for number, nonce in enumerate(("0a", "0b", "0c")):
            self.seen.add(KEY, nonce, NOW + 100 * number)
        self.assertEqual(
            [False, True, True], [self.seen.has(KEY, nonce) for nonce in ("0a", "0b", "0c")]
        )
        old = [self.seen.isForgotten(KEY, NOW + more) for more in (-1, 0, 1)]
        self.assertEqual([True, True, False], old)

    def test_older(self) -> None:
        """What is forgotten later, and is older, changes nothing."""
        self.patch(seenModule, "MAX_SEEN", 1)
        for nonce, stamp in (("0a", NOW + 5), ("0b", 7), ("0c", 8)):
            self.seen.add(KEY, nonce, stamp)
        self.assertTrue(self.seen.isForgotten(KEY, NOW + 5))

    def test_bound(self) -> None:
        """Only so much takes memory, also of keys that are no more; what goes is refused."""
        self.patch(seenModule, "MAX_SEEN", 50)
        for number in range(1000):
            self.seen.add(b"%d" % number, "0a", NOW + number)
        notes = self.seen.makeNotes()
        self.assertEqual((50, 50), (len(notes.forgotten), len(list(notes.seen))))
        self.assertIn(EVERYBODY, notes.forgotten)
        for number in range(950):
            self.assertTrue(self.seen.isForgotten(b"%d" % number, NOW + number), number)
        self.assertTrue(self.seen.has(b"999", "0a"))


class DistrustTests(SeenTestCase):
    """
    Where the notes of earlier daemons are lost.
    """

    def setUp(self) -> None:
        """Lose them."""
        super().setUp()
        self.seen.distrust(STARTED)

    def test_waits(self) -> None:
        """All is refused until the skew has passed, and the reason says for how long."""
        for up in (0.0, 30.0, 59.0):
            self.assertEqual(
                "the notes about earlier knocks are lost, so this one may be a "
                f"copy: knock again in {60 - up:.0f} s",
                self.refusal(0, up),
            )
        self.assertEqual("", self.refusal(0, 60.001))

    def test_ahead(self) -> None:
        """
        What an earlier daemon may have heard of a clock that is ahead is refused for as long as its
        stamp is good, not only until the skew has passed.
        """
        for up in (0.0, 30.0, 60.0, 90.0, 119.9):
            self.assertNotEqual("", self.refusal(up - 59.9, up), up)

    def test_clockSetBack(self) -> None:
        """
        A recorded knock that was good an hour ago is refused where the clock was set back to then
        before the start.
        """
        for up in (0.0, 30.0, 60.0, 61.0):
            today = TODAY - 3600 + up
            self.assertNotEqual(
                "", self.seen.findRefusal(NOW - 3600_000, STARTED + up, today, 60.0)
            )

    def test_clockIsSet(self) -> None:
        """A clock that was wrong at the start, and is right now, makes no difference."""
        for wrong in (-7200, 7200):
            self.assertNotEqual("", self.refusal(0, 59, TODAY + wrong))
            self.assertEqual("", self.refusal(0, 61, TODAY + wrong))

    def test_doorsSkew(self) -> None:
        """It is the door's own skew."""
        self.assertEqual("", self.refusal(0, 6, skew=5.0))
        self.assertNotEqual("", self.refusal(0, 61, skew=300.0))

    def test_sinceLongAgo(self) -> None:
        """What an earlier daemon waited counts."""
        self.seen.distrust(STARTED - 40)
        self.assertIn(" in 20 s", self.refusal(0, 0))
        self.assertEqual("", self.refusal(0, 21))
