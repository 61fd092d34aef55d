"""Tests of L{pkdoors.locks.sealed.replays}."""

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.sealed import replays as seenModule
from pkdoors.locks.sealed.replays import EVERYBODY, MAX_SEEN, ReplayCache

KEY, OTHER, AUTHORITY = b"a key", b"another key", b"an authority"
STARTED, TODAY = 1000.5, 1_800_000_000.0
NOW = round(TODAY * 1000)


class ReplayCacheTestCase(SynchronousTestCase):
    """
    A test with an empty cache.
    """

    def setUp(self) -> None:
        """Make the cache."""
        self.notes: list[tuple[str, str, int]] = []
        self.seen = self.make()

    def make(self) -> ReplayCache:
        """Make another cache."""
        return ReplayCache(STARTED, lambda *note: self.notes.append(note))

    def refusal(self, ago: float, up: float, today: float = TODAY, skew: float = 60.0) -> str:
        """
        Return why a knock is refused that was made so many seconds before today.

        @param up: seconds since the start.
        """
        return self.seen.findRefusal(round(1000 * (today - ago)), STARTED + up, today, skew)


class ReplayCacheTests(ReplayCacheTestCase):
    """
    What the cache remembers.
    """

    def test_new(self) -> None:
        """A new knock is not remembered."""
        self.assertFalse(self.seen.has(KEY, "0a"))

    def test_seen(self) -> None:
        """A knock is remembered by its key and nonce together."""
        self.seen.add(KEY, "0a", 1)
        self.assertTrue(self.seen.has(KEY, "0a"))
        self.assertFalse(self.seen.has(KEY, "0b"))
        self.assertFalse(self.seen.has(OTHER, "0a"))

    def test_started(self) -> None:
        """A knock made before the start is refused, one made after it is not."""
        for up in (0.0, 1.0, 3600.0):
            self.assertIn("older than this daemon", self.refusal(up + 0.001, up))
            self.assertEqual("", self.refusal(up, up))

    def test_clockWasWrong(self) -> None:
        """This also holds if the time of day was wrong at the start, and was set later."""
        for wrong in (-7200, 7200):
            self.assertEqual("", self.refusal(5, 10, TODAY + wrong))
            self.assertNotEqual("", self.refusal(35, 10, TODAY + wrong))

    def test_note(self) -> None:
        """Each knock is noted once, under a name that does not reveal the key."""
        self.seen.add(KEY, "0a", 17)
        self.assertEqual([(sha256(b"a key").hexdigest()[:32], "0a", 17)], self.notes)

    def test_noteComesFirst(self) -> None:
        """A knock is noted before it is remembered: if the note fails, the knock opens nothing."""
        known: list[bool] = []
        seen = ReplayCache(STARTED, lambda *note: known.append(seen.has(KEY, "0a")))
        seen.add(KEY, "0a", 1)
        self.assertEqual([False], known)

    def test_learn(self) -> None:
        """The notes of an earlier daemon are remembered, and not noted again."""
        self.seen.add(KEY, "0a", 17)
        later = self.make()
        later.learn(self.seen.makeNotes())
        self.assertTrue(later.has(KEY, "0a"))
        self.assertEqual(1, len(self.notes))
        self.assertEqual(self.seen.makeNotes(), later.makeNotes())


class ForgettingTests(ReplayCacheTestCase):
    """
    What happens with more knocks than are remembered.
    """

    def fill(self, key: bytes, count: int, stamp: int) -> None:
        """Let a key open so many times."""
        for number in range(count):
            self.seen.add(key, f"{number:016x}", stamp + number)

    def test_guest(self) -> None:
        """
        A key that fills the memory with stamps ahead pushes out its own knocks, and is the only one
        whose knocks are refused for that.
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
        """The next daemon knows all this."""
        self.seen.add(KEY, "0a", NOW + 5)
        self.fill(OTHER, 2 * MAX_SEEN, NOW + 59_000)
        later = self.make()
        later.learn(self.seen.makeNotes())
        self.assertTrue(later.has(KEY, "0a"))
        self.assertFalse(later.isForgotten(KEY, NOW))
        self.assertTrue(later.isForgotten(OTHER, NOW + 59_000))

    def test_many(self) -> None:
        """However many keys fill the memory, each has the same share."""
        self.patch(seenModule, "MAX_SEEN", 100)
        for number in range(1000):
            for key in range(10):
                self.seen.add(b"%d" % key, f"{number:016x}", NOW + number)
        counts = {group.count for group in self.seen._groups.values()}
        self.assertEqual(({10}, 100), (counts, self.seen._count))

    def test_crowd(self) -> None:
        """
        With 200 knocks a second, more than the table holds for the skew, every knock opens that
        arrives within 15 seconds, and every copy is refused, whether few or many keys knock.
        """
        for keys in (300, 2 * MAX_SEEN):
            cache, sent = self.make(), list[tuple[bytes, str, int]]()
            for number in range(2 * MAX_SEEN + 500):
                sent.append((b"key %d" % (number % keys), f"{number:016x}", 5 * number))
                if number % 200 == 0:  # one of fifteen seconds ago, of somebody's other machine
                    sent[-1] = (*sent[-1][:2], max(0, 5 * number - 15_000) + 1)
                key, nonce, stamp = sent[-1]
                self.assertFalse(cache.has(key, nonce) or cache.isForgotten(key, stamp), number)
                cache.add(*sent[-1])
            for key, nonce, stamp in sent:
                self.assertTrue(cache.has(key, nonce) or cache.isForgotten(key, stamp), nonce)

    def test_keysGo(self) -> None:
        """A key of which no knock is remembered takes no memory."""
        self.patch(seenModule, "MAX_SEEN", 5)
        for number in range(50):
            self.seen.add(b"%d" % number, "0a", NOW)
        self.assertEqual(5, len(self.seen._groups))

    def test_twice(self) -> None:
        """Notes that are learnt twice take room once."""
        self.patch(seenModule, "MAX_SEEN", 5)
        for number in range(5):
            self.seen.add(KEY, f"{number}", NOW)
        self.seen.learn(self.seen.makeNotes())
        self.assertEqual({}, self.seen.makeNotes().forgotten)

    def test_oldest(self) -> None:
        """
        The oldest knock of a key is forgotten, and all its knocks that are as old are refused.
        """
        self.patch(seenModule, "MAX_SEEN", 2)
        for number, nonce in enumerate(("0a", "0b", "0c")):
            self.seen.add(KEY, nonce, NOW + 100 * number)
        self.assertEqual(
            [False, True, True], [self.seen.has(KEY, nonce) for nonce in ("0a", "0b", "0c")]
        )
        old = [self.seen.isForgotten(KEY, NOW + more) for more in (-1, 0, 1)]
        self.assertEqual([True, True, False], old)

    def test_older(self) -> None:
        """Forgetting an older knock later changes nothing."""
        self.patch(seenModule, "MAX_SEEN", 1)
        for nonce, stamp in (("0a", NOW + 5), ("0b", 7), ("0c", 8)):
            self.seen.add(KEY, nonce, stamp)
        self.assertTrue(self.seen.isForgotten(KEY, NOW + 5))

    def test_authority(self) -> None:
        """
        An authority that certifies key after key pushes out only what its own keys sent, and only
        its own keys are refused for that.
        """
        self.patch(seenModule, "MAX_SEEN", 50)
        self.fill(OTHER, 10, NOW)
        for number in range(1000):
            self.seen.add(b"%d" % number, "0a", NOW + number, AUTHORITY)
        self.assertTrue(all(self.seen.has(OTHER, f"{number:016x}") for number in range(10)))
        self.assertFalse(self.seen.isForgotten(OTHER, NOW))
        notes = self.seen.makeNotes()
        self.assertNotIn(EVERYBODY, notes.forgotten)
        self.assertLessEqual(len(notes.forgotten), 50)
        later = self.make()
        later.learn(notes)
        for seen in (self.seen, later):
            for number in range(960):
                self.assertTrue(seen.isForgotten(b"%d" % number, NOW + number, AUTHORITY), number)
            self.assertTrue(seen.has(b"999", "0a", AUTHORITY))
            self.assertFalse(seen.isForgotten(b"new", NOW + 999, AUTHORITY))

    def test_certifiedApart(self) -> None:
        """A key by itself, and with the certificate of an authority, are two keys."""
        self.seen.add(KEY, "0a", NOW, AUTHORITY)
        self.assertTrue(self.seen.has(KEY, "0a", AUTHORITY))
        self.assertFalse(self.seen.has(KEY, "0a"))
        self.assertFalse(self.seen.has(KEY, "0a", OTHER))
        self.assertFalse(self.seen.has(AUTHORITY, "0a"))
        self.assertRegex(self.notes[0][0], "^[0-9a-f]{32}$")

    def test_bound(self) -> None:
        """The memory is bounded, also for keys that are gone; forgotten knocks are refused."""
        self.patch(seenModule, "MAX_SEEN", 50)
        for number in range(1000):
            self.seen.add(b"%d" % number, "0a", NOW + number)
        notes = self.seen.makeNotes()
        self.assertEqual((50, 50), (len(notes.forgotten), len(list(notes.seen))))
        self.assertIn(EVERYBODY, notes.forgotten)
        for number in range(950):
            self.assertTrue(self.seen.isForgotten(b"%d" % number, NOW + number), number)
        self.assertTrue(self.seen.has(b"999", "0a"))


class DistrustTests(ReplayCacheTestCase):
    """
    What happens if the notes of earlier daemons are lost.
    """

    def setUp(self) -> None:
        """Lose the notes."""
        super().setUp()
        self.seen.distrust(STARTED)

    def test_waits(self) -> None:
        """All knocks are refused until the skew has passed, and the reason says for how long."""
        for up, left in ((0.0, "1m"), (30.0, "30s"), (59.0, "1s")):
            self.assertEqual(
                "the notes about earlier knocks are lost, so this one may be a "
                f"copy: knock again in {left}",
                self.refusal(0, up),
            )
        self.assertEqual("", self.refusal(0, 60.001))

    def test_ahead(self) -> None:
        """
        A knock with a stamp that is ahead, which an earlier daemon may have heard, is refused as
        long as its stamp is good, not only until the skew has passed.
        """
        for up in (0.0, 30.0, 60.0, 90.0, 119.9):
            self.assertNotEqual("", self.refusal(up - 59.9, up), up)

    def test_clockSetBack(self) -> None:
        """
        A recorded knock that was good an hour ago is refused if the clock was set back to that time
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
        """The skew is that of the door."""
        self.assertEqual("", self.refusal(0, 6, skew=5.0))
        self.assertNotEqual("", self.refusal(0, 61, skew=300.0))

    def test_sinceLongAgo(self) -> None:
        """The time that an earlier daemon waited counts."""
        self.seen.distrust(STARTED - 40)
        self.assertIn(" in 20s", self.refusal(0, 0))
        self.assertEqual("", self.refusal(0, 21))
