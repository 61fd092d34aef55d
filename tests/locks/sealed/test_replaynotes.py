"""Tests of L{pkdoors.locks.sealed.replaynotes}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.sealed.notelines import NotesLost
from pkdoors.locks.sealed.replaynotes import NotesWriter, parseNotes
from pkdoors.locks.sealed.replays import EVERYBODY, Notes

ANNA, BOB = "a" * 32, "b" * 32
BOOT = "0f8fad5b-d9cb-469f-a165-70867728950e"
NOTES = Notes({BOB: 7, EVERYBODY: 3}, [(ANNA, "0" * 16, 1001), (BOB, "1" * 16, 1002)])
TODAY = 1_800_000_000.125


def write(since: float | None = None, isWhole: bool | None = None) -> str:
    """Write a file; give C{isWhole} if its daemon has ended."""
    writer = NotesWriter()
    lines = [writer.header(TODAY, BOOT, 4711, since), *writer.notes(TODAY, NOTES)]
    lines.append(writer.seen(TODAY + 5, ANNA, "2" * 16, 1003))
    return "".join(lines) + ("" if isWhole is None else writer.end(TODAY + 9, isWhole))


class ReplayNotesTests(SynchronousTestCase):
    """
    Tests of L{NotesWriter} and L{parseNotes}.
    """

    def test_reads(self) -> None:
        """The notes can be read back."""
        found = parseNotes(write())
        self.assertEqual((BOOT, 4711, None), (found.boot, found.inode, found.since))
        self.assertEqual(NOTES.forgotten, found.notes.forgotten)
        self.assertEqual([*NOTES.seen, (ANNA, "2" * 16, 1003)], found.notes.seen)
        self.assertEqual((False, TODAY + 5), (found.isEnded, found.time))

    def test_since(self) -> None:
        """So can the time from which on they are complete."""
        self.assertEqual(17.5, parseNotes(write(17.5)).since)

    def test_end(self) -> None:
        """A daemon that ended says whether anything was missing."""
        for isWhole in (True, False):
            found = parseNotes(write(isWhole=isWhole))
            self.assertEqual((isWhole, TODAY + 9), (found.isEnded, found.time))

    def test_changed(self) -> None:
        """No byte of the file can be changed."""
        text = write(isWhole=True)
        for at in range(len(text)):
            for new in ("0", "1", "x", "\n", " ", "\ufffd"):
                if text[at] != new:
                    changed = text[:at] + new + text[at + 1 :]
                    self.assertRaises(NotesLost, parseNotes, changed)

    def test_cutOff(self) -> None:
        """A file that is cut off within a line is damaged, and so is one without its beginning."""
        text = write(isWhole=True)
        ends = {at + 1 for at, char in enumerate(text) if char == "\n"}
        for at in set(range(len(text))) - ends:
            self.assertRaises(NotesLost, parseNotes, text[:at])
        for at in range(1, len(text)):
            self.assertRaises(NotesLost, parseNotes, text[at:])

    def test_lines(self) -> None:
        """No line can be missing before others, be there twice, or be in another place."""
        lines = write(isWhole=True).splitlines(keepends=True)
        for at in range(len(lines) - 1):
            for some in (
                lines[:at] + lines[at + 1 :],
                [*lines[:at], lines[at], *lines[at:]],
                [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
            ):
                self.assertRaises(NotesLost, parseNotes, "".join(some))

    def test_afterEnd(self) -> None:
        """Nothing may follow the end."""
        writer = NotesWriter()
        text = writer.header(TODAY, BOOT, 1, None) + writer.end(TODAY, True)
        self.assertTrue(parseNotes(text).isEnded)
        text += writer.seen(TODAY, ANNA, "0" * 16, 1)
        self.assertRaises(NotesLost, parseNotes, text)

    def test_otherLine(self) -> None:
        """An unknown line is damage, even if its check is right."""
        writer = NotesWriter()
        text = writer.header(TODAY, BOOT, 1, None) + writer.line(TODAY, f"seen {ANNA} x 1")
        self.assertRaises(NotesLost, parseNotes, text)

    def test_nonsense(self) -> None:
        """Garbage is damage, whatever it is; nothing else is raised."""
        chance = random.Random(1)
        for length in range(200):
            text = "".join(chance.choices("0123456789abcdef \n-seen", k=length))
            self.assertRaises(NotesLost, parseNotes, text)

    def test_otherVersion(self) -> None:
        """A file of another version is damage."""
        self.assertRaises(NotesLost, parseNotes, f"{ANNA} 1001\n")
