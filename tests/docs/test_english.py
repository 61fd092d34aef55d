"""The pages are plain English; L{tests.lab.english} has the patterns."""

import re

from twisted.trial.unittest import SynchronousTestCase

from tests import ROOT
from tests.lab.english import Text, findFaults
from tests.lab.pages import listPages, readProse

PERFORMANCE = ROOT / "docs" / "performance.rst"
"""The only page that is not in Markdown."""

_HEADLESS = re.compile(r"(?:^|(?<=[.;:] ))(?:\W*)(?:Whoever|Who|Whom) (?![^.;]*\?)")
"""A sentence that begins with a clause in place of a noun."""
_MOST_WORDS = 1000
"""Words of README.md: a newcomer reads no more. The issue of this project asks for about 900."""


class EnglishTests(SynchronousTestCase):
    """
    All hand-written pages.
    """

    def texts(self) -> list[Text]:
        """Return what is on them."""
        found = [Text(part.place, part.text) for page in listPages() for part in readProse(page)]
        return [*found, Text(PERFORMANCE.name, PERFORMANCE.read_text())]

    def test_patterns(self) -> None:
        """No page has one of the patterns."""
        texts = self.texts()
        self.assertGreater(len(texts), 1000)
        self.assertEqual("", "\n".join(findFaults(texts)))

    def test_heads(self) -> None:
        """No sentence begins with a clause that has no head."""
        found = [
            f"{place}: {text[match.start() : match.end() + 40]!r}"
            for place, text in self.texts()
            for match in _HEADLESS.finditer(" ".join(text.split()))
        ]
        self.assertEqual("", "\n".join(found))

    def test_length(self) -> None:
        """README.md can be read in five minutes."""
        self.assertLess(len((ROOT / "README.md").read_text().split()), _MOST_WORDS)


class PatternTests(SynchronousTestCase):
    """
    The pattern for sentences.
    """

    def test_head(self) -> None:
        """A question is a sentence; such a clause is not."""
        for text, isFault in (
            ("Who knocks gets in.", True),
            ("It is so. Whoever knocks, gets in.", True),
            ("Who knocks?", False),
            ("A client that knocks gets in, whoever it is.", False),
        ):
            self.assertEqual(isFault, _HEADLESS.search(text) is not None, text)
