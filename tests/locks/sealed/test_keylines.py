"""Tests of L{pkdoors.locks.sealed.keylines}."""

from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.sealed import keylines
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey, parseLine
from pkdoors.locks.sealed.keylines import KeyLines, parseAuthorizedKeys
from tests.lab.sealing import makeKey, publicLine

ANNA, BOB, EVE = (publicLine(makeKey(), name) for name in ("anna", "bob", "eve"))


class KeyLinesTests(SynchronousTestCase):
    """
    Tests of L{KeyLines}.

    @ivar parsed: the lines that were parsed.
    """

    def setUp(self) -> None:
        """Count what is parsed."""
        self.parsed: list[str] = []
        self.patch(keylines, "parseLine", self.parse)
        self.lines = KeyLines("keys")

    def parse(self, line: str) -> AuthorizedKey:
        """Parse a line."""
        self.parsed.append(line)
        return parseLine(line)

    def names(self) -> list[str]:
        """Return the comments of the keys."""
        return [key.comment for key in self.lines.keys]

    def load(self, text: str) -> int:
        """Load and parse a text. Return the number of new lines."""
        count = self.lines.load(text)
        self.assertEqual(count, len([*self.lines.parse()]))
        return count

    def test_onlyNew(self) -> None:
        """Only new lines are parsed, whatever their place."""
        self.assertEqual(2, self.load(ANNA + "# a comment\n\n" + BOB))
        self.assertEqual(1, self.load(EVE + BOB + ANNA))
        self.assertEqual(["eve", "bob", "anna"], self.names())
        self.assertEqual(3, len(self.parsed))

    def test_blocks(self) -> None:
        """
        A key in several lines has another format, which is one complaint with the remedy; the lines
        behind it keep their numbers.
        """
        block = (
            '---- BEGIN SSH2 PUBLIC KEY ----\nComment: "x"\nAAAA\n---- END SSH2 PUBLIC KEY ----\n'
        )
        self.load(f"{ANNA}{block}restrict {BOB}")
        other, option = self.lines.complaints()
        self.assertIn("keys, line 2: this key is refused: it has another format", other)
        self.assertIn("`ssh-keygen -i -f FILE`", other)
        self.assertIn("keys, line 6: this key is refused: unknown option restrict", option)
        self.load("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
        (private,) = self.lines.complaints()
        self.assertIn("it is a private key", private)

    def test_inBetween(self) -> None:
        """Before the new lines are parsed, gone keys are gone, and the others still count."""
        self.load(ANNA + BOB)
        self.lines.load(BOB + EVE)
        self.assertEqual(["bob"], self.names())

    def test_freedInSteps(self) -> None:
        """Former keys are freed while new lines are parsed: very many at once take too long."""
        self.load(ANNA + BOB)
        former = [ref(key.key) for key in self.lines.keys]

        def left() -> int:
            return sum(each() is not None for each in former)

        self.lines.load(EVE + publicLine(makeKey()))
        steps = self.lines.parse()
        found = [left(), *(left() for _ in steps)]
        self.assertEqual([2, 1, 0], found)

    def test_freedAtTheEnd(self) -> None:
        """If there are fewer new lines than former keys, the rest is freed at the end."""
        self.load(ANNA + BOB)
        former = [ref(key.key) for key in self.lines.keys]
        self.load(EVE)
        self.assertEqual([None, None], [each() for each in former])

    def test_changedMeanwhile(self) -> None:
        """Lines that were parsed before the text changed again are not lost."""
        self.lines.load(ANNA + BOB)
        next(self.lines.parse())
        self.assertEqual(1, self.load(ANNA + BOB))
        self.assertEqual(2, len(self.parsed))

    def test_badLines(self) -> None:
        """Bad lines are parsed once, too; their numbers are those of now."""
        self.load("nonsense\n" + ANNA)
        self.load(ANNA + "nonsense\n")
        self.assertEqual(2, len(self.parsed))
        self.assertIn("keys, line 2: this key is refused: ", self.lines.complaints()[0])

    def test_kinds(self) -> None:
        """There is one complaint for each kind of fault, with a count."""
        text = "".join(f'from="10.{n}.0.0/99" {ANNA}' for n in range(3000)) + f"no-pty {ANNA}"
        self.load(text)
        first, second = self.lines.complaints()
        self.assertIn("keys, line 1, and 2999 more like it: refused: from=: '10.0.0.0/99'", first)
        self.assertIn("keys, line 3001: this key is refused: unknown option no-pty", second)

    def test_bound(self) -> None:
        """The number of keys is limited, and one complaint says so."""
        self.patch(keylines, "MAX_KEYS", 3)
        self.assertEqual(3, len(parseAuthorizedKeys(ANNA * 3, "keys")[0]))
        keys, complaints = parseAuthorizedKeys(ANNA * 5, "keys")
        self.assertEqual(3, len(keys))
        self.assertEqual(["keys has more than 3 keys: only the first 3 may knock"], complaints)
