"""Tests of L{pkdoors.files.marks}."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.files.marks import findMark, readMark


class MarkTests(SynchronousTestCase):
    """What changes with a file."""

    def test_changes(self) -> None:
        """The mark changes with the content, the permissions, and a new file in the same place."""
        path = Path(self.mktemp())
        path.write_text("one")
        marks = [readMark(path), readMark(path)]
        self.assertEqual(1, len({*marks}))
        path.write_text("three")
        marks.append(readMark(path))
        path.chmod(0o600)
        marks.append(readMark(path))
        new = Path(self.mktemp())
        new.write_text("three")
        new.chmod(0o600)
        os.utime(new, ns=(path.stat().st_mtime_ns,) * 2)
        new.replace(path)
        marks.append(readMark(path))
        self.assertEqual(4, len({*marks}))

    def test_missing(self) -> None:
        """A file that is not there has no mark."""
        self.assertRaises(FileNotFoundError, readMark, "/nowhere/file")
        self.assertEqual((None, None), (findMark("/nowhere/file"), findMark("")))
        self.assertEqual(readMark("/"), findMark("/"))
