"""Tests that all that people read is plain English; L{tests.lab.english} has the patterns."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import ROOT
from tests.lab.english import (
    Text,
    collectComments,
    collectDocstrings,
    collectMessages,
    findFaults,
)

CODE = ROOT / "pkdoors"


class EnglishTests(SynchronousTestCase):
    """The texts in the code."""

    def test_messages(self) -> None:
        """No message, help, log line or finding has one of the patterns."""
        messages = list(collectMessages(CODE))
        self.assertGreater(len(messages), 1000)
        self.assertEqual("", "\n".join(findFaults(messages, isMessage=True)))

    def test_docstrings(self) -> None:
        """No docstring has one, nor any comment."""
        texts = [*collectDocstrings(CODE), *collectComments(CODE)]
        self.assertGreater(len(texts), 3000)
        self.assertEqual("", "\n".join(findFaults(texts)))


class PatternTests(SynchronousTestCase):
    """The patterns themselves."""

    def faults(self, text: str, isMessage: bool = True) -> int:
        """Return how many faults a text has."""
        return len(findFaults([Text("here", text)], isMessage))

    def test_bad(self) -> None:
        """Each of these has one fault."""
        for text in (
            "seven is no port",
            "it is none of auto, none",
            "say with --admin where it listens",
            "see that the file exists",
            "read the file anew",
            "the daemon's log tells",
            "how long the door shall stay open",
            "who knocks gets in",
            "not done: what follows the colon",
            "no answer within 30 s",
            "knock again in … s: it is full",
        ):
            self.assertTrue(self.faults(text), text)

    def test_good(self) -> None:
        """None of these has any, although some look like one."""
        for text in (
            "there is no profile of that name",
            "the key is no longer needed",
            "what is wrong?",
            "the client that knocks gets in",
            "see the daemon's log",
            "seven is not a port: a port is a number",
            "no answer within 1m30s, 200ms or 5s",
        ):
            self.assertFalse(self.faults(text), text)

    def test_collects(self) -> None:
        """
        Texts are found in calls, in texts that are computed, in sums and in what is computed in
        them; docstrings are not messages.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "module.py").write_text(
            '"""A docstring."""\n'
            "# A comment,\n"
            "# of two lines.\n"
            "NAME = 1\n"
            '"""Another."""\n'
            'say(f"one {NAME} " + "two")\n'
            "x = {'three': f'{say(\"four\")}'}\n"
        )
        place = f"{folder / 'module.py'}"
        self.assertEqual(
            ["one … two", "three", "…", "four"],
            [text.text for text in collectMessages(folder)],
        )
        self.assertEqual(
            [Text(f"{place}:1", "A docstring."), Text(f"{place}:5", "Another.")],
            list(collectDocstrings(folder)),
        )
        self.assertEqual(
            [Text(f"{place}:2", "# A comment,  of two lines.")], list(collectComments(folder))
        )
