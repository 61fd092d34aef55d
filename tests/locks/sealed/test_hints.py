"""Tests of L{pkdoors.locks.sealed.hints} and L{pkdoors.locks.sealed.keytable}."""

from secrets import token_hex

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.seal import EPOCH, Statement, hintOf, makeNonce, tagOf
from pkdoors.locks.sealed import hints as hintsModule
from pkdoors.locks.sealed import keytable
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from pkdoors.locks.sealed.keytable import AHEAD, KeyTable, Lines
from tests.lab.sealing import makeKey, publicLine

TODAY = 1_800_000_000.0 // 3600 * 3600 + 1800
"""The middle of an hour."""
NAMES = ("anna", "bob", "carl", "dora", "eve")


class HintTestCase(SynchronousTestCase):
    """
    A test with five keys, one of which is on two lines.
    """

    def setUp(self) -> None:
        """Make an index."""
        self.lines = [publicLine(makeKey(), name) for name in NAMES]
        self.keys = self.parse(*self.lines, self.lines[1].replace("bob", "bob again"))
        self.changes = 0
        self.table = KeyTable(lambda: self.keys)
        self.index = HintIndex([self.table], self.note)

    def note(self) -> None:
        """Count a change."""
        self.changes += 1

    def parse(self, *lines: str) -> list[AuthorizedKey]:
        """Return the keys of some lines."""
        return parseAuthorizedKeys("".join(lines), "keys")[0]

    def state(self, key: AuthorizedKey, nonce: str = "", at: float = TODAY) -> Statement:
        """Return the statement of a key's knock; by default with a tag."""
        stamp = int(at * 1000)
        nonce = nonce or makeNonce(key.blob, stamp)
        return Statement("ssh", 0, stamp, nonce, hintOf(key.blob, nonce))

    def random(self, key: AuthorizedKey) -> Statement:
        """Return the statement of an earlier version's client."""
        return self.state(key, nonce="000000" + token_hex(5))

    def names(self, found: list[Lines]) -> list[list[str]]:
        """Return the comments of lines."""
        return [[line.comment for line in lines] for lines in found]

    def quickly(self, statement: Statement) -> list[list[str]]:
        """Return what is found at once."""
        return self.names(self.index.findQuickly(statement))

    def search(self, statement: Statement) -> list[list[str]]:
        """Return what a search finds."""
        *steps, found = self.index.search(statement)
        self.assertEqual({None}, set(steps))
        return self.names(found or [])


class FewTests(HintTestCase):
    """
    A door with few keys: each knock is compared with all of them.
    """

    def test_find(self) -> None:
        """A hint finds its key, with all of its lines, with a tag or without."""
        for state in (self.state, self.random):
            self.assertEqual([["anna"]], self.quickly(state(self.keys[0])))
            self.assertEqual([["bob", "bob again"]], self.quickly(state(self.keys[-1])))
            self.assertFalse(self.index.needsSearch(state(self.keys[0])))

    def test_unknown(self) -> None:
        """The hint of no key finds none."""
        self.assertEqual([], self.quickly(self.random(self.parse(publicLine(makeKey()))[0])))

    def test_sameHint(self) -> None:
        """If several keys have the same hint, it finds all of them."""
        self.patch(keytable, "HINT_DIGITS", 0)
        self.assertEqual(5, len(self.quickly(self.random(self.keys[0]))))

    def test_change(self) -> None:
        """A key that is gone is not found, and a new one is."""
        gone, self.keys = self.keys[0], self.parse(*self.lines[1:], publicLine(makeKey(), "new"))
        self.assertEqual([], self.quickly(self.state(gone)))
        self.assertEqual([["new"]], self.quickly(self.state(self.keys[-1])))
        self.assertEqual(1, self.changes)

    def test_noTags(self) -> None:
        """So few keys need no tags, and no work is done for them."""
        self.quickly(self.state(self.keys[0]))
        self.assertFalse(self.table.hasWork(TODAY, 60.0))

    def test_severalTables(self) -> None:
        """The lines of a key that is in two tables count together."""
        other = self.parse(self.lines[0].replace("anna", "anna elsewhere"), publicLine(makeKey()))
        self.index = HintIndex([self.table, KeyTable(lambda: other)])
        self.assertEqual([["anna", "anna elsewhere"]], self.quickly(self.state(self.keys[0])))
        self.assertEqual(1, len(self.quickly(self.state(other[1]))))

    def test_confirm(self) -> None:
        """A line that has changed is noticed before it counts."""

        def confirm(key: AuthorizedKey) -> None:
            confirmed.append(key.comment)
            self.keys = self.parse(*self.lines[1:])

        confirmed: list[str] = []
        self.index = HintIndex([KeyTable(lambda: self.keys, confirm)])
        self.assertEqual([], self.quickly(self.state(self.keys[0])))
        self.assertEqual(["anna"], confirmed)


class ManyTests(HintTestCase):
    """
    A door with more keys than are compared: here, with more than two.
    """

    def setUp(self) -> None:
        """Lower the limits."""
        self.patch(hintsModule, "FEW", 2)
        self.patch(keytable, "AT_ONCE", 2)
        super().setUp()

    def tag(self, today: float = TODAY, skew: float = 60.0) -> int:
        """Make all tags, and return in how many steps."""
        self.index.mayBindElsewhere()
        return len([*self.table.work(today, skew)])

    def test_tagged(self) -> None:
        """A tag finds its key without a search, with all of its lines."""
        self.assertEqual(3, self.tag())
        self.assertEqual([["anna"]], self.quickly(self.state(self.keys[0])))
        self.assertEqual([["bob", "bob again"]], self.quickly(self.state(self.keys[1])))
        self.assertFalse(self.index.needsSearch(self.state(self.keys[0])))

    def test_search(self) -> None:
        """A client that has no tag, or comes before the index is complete, is found by a search."""
        for statement in (self.state(self.keys[4]), self.random(self.keys[4])):
            self.assertEqual([], self.quickly(statement))
            self.assertTrue(self.index.needsSearch(statement))
            self.assertEqual([["eve"]], self.search(statement))
        self.tag()
        self.assertTrue(self.index.needsSearch(self.random(self.keys[4])))

    def test_wrongTag(self) -> None:
        """Somebody else's tag, as it was seen on the way, finds nothing, and breaks nothing."""
        self.tag()
        tag = tagOf(self.keys[0].blob, int(TODAY * 1000) // EPOCH)
        statement = self.state(self.keys[1], nonce=tag + "0123456789")
        self.assertTrue(self.index.needsSearch(statement))
        self.assertEqual([["bob", "bob again"]], self.search(statement))

    def test_hours(self) -> None:
        """Tags are there for the stamps that the door accepts, and before an hour begins."""
        self.tag()
        for at, isThere in ((TODAY, True), (TODAY + 3600, False), (TODAY - 3600, False)):
            self.assertEqual(isThere, not self.index.needsSearch(self.state(self.keys[0], at=at)))
        self.assertFalse(self.table.hasWork(TODAY, 60.0))
        soon = TODAY + 1800 - AHEAD + 1
        self.assertTrue(self.table.hasWork(soon, 60.0))
        self.tag(soon)
        self.assertFalse(self.index.needsSearch(self.state(self.keys[0], at=TODAY + 3600)))

    def test_wideSkew(self) -> None:
        """A door that allows an hour has tags for the hours before and after."""
        self.tag(skew=3600.0)
        for at in (TODAY - 3600, TODAY, TODAY + 3600):
            self.assertFalse(self.index.needsSearch(self.state(self.keys[0], at=at)))

    def test_oldHoursGo(self) -> None:
        """The tags of hours that are over take no memory."""
        for hour in range(50):
            self.tag(TODAY + 3600 * hour)
        self.assertEqual(1, len(self.table._tags))

    def test_newKeys(self) -> None:
        """For new keys only these are hashed; a key that is gone is not found by its tag."""
        self.tag()
        gone, self.keys = self.keys[0], self.parse(*self.lines[1:], publicLine(makeKey(), "new"))
        self.assertEqual([], self.quickly(self.state(gone)))
        self.assertTrue(self.table.hasWork(TODAY, 60.0))
        self.assertEqual(1, self.tag())
        self.assertEqual([["new"]], self.quickly(self.state(self.keys[-1])))

    def test_comesBack(self) -> None:
        """A key that was removed and is back is found again."""
        self.tag()
        before = self.keys
        self.keys = before[1:]
        self.assertEqual([], self.quickly(self.state(before[0])))
        self.keys = list(before)
        self.tag()
        self.assertEqual([["anna"]], self.quickly(self.state(before[0])))

    def test_bound(self) -> None:
        """However often keys come and go, former ones take limited memory."""
        for _ in range(30):
            self.keys = self.parse(*(publicLine(makeKey()) for _ in range(3)))
            self.tag()
        self.assertLessEqual(len(self.table._tagged), 9)
        self.assertEqual(1, len(self.quickly(self.state(self.keys[0]))))

    def test_removedDuringSearch(self) -> None:
        """A key that is removed while a search goes on is not found."""
        search = self.index.search(self.random(self.keys[0]))
        next(search)
        self.keys = self.parse(*self.lines[1:])
        self.assertEqual([], [*search][-1])

    def test_recent(self) -> None:
        """The keys that were remembered are found in the first step, with all of their lines."""
        for number in (1, 4):
            self.index.remember(self.keys[number].blob)
        for number, names in ((1, ["bob", "bob again"]), (4, ["eve"])):
            found = next(self.index.search(self.random(self.keys[number])), None)
            self.assertEqual([names], self.names(found or []))
        self.assertEqual([["anna"]], self.search(self.random(self.keys[0])))

    def test_recentIsGone(self) -> None:
        """A key that was remembered and has been removed is not found."""
        self.index.remember(self.keys[0].blob)
        gone, self.keys = self.keys[0], self.parse(*self.lines[1:])
        self.assertEqual([], self.search(self.random(gone)))

    def test_fewAreRecent(self) -> None:
        """The keys that were remembered longest ago are forgotten, and those that knock stay."""
        self.patch(hintsModule, "RECENT", 2)
        for number in (0, 1, 0, 2):
            self.index.remember(self.keys[number].blob)
        for number, isRecent in ((0, True), (1, False), (2, True)):
            found = next(self.index.search(self.random(self.keys[number])))
            self.assertEqual(isRecent, bool(found))
