"""Tests of L{pkdoors.install.servicecode}."""

import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.install import servicecode
from pkdoors.install.servicecode import findCodeFlaw


class CodeFlawTests(SynchronousTestCase):
    """
    Tests of L{findCodeFlaw}, with a folder that is searched for modules, perhaps because of a
    C{.pth} file.
    """

    def setUp(self) -> None:
        """Leave nothing else to check."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(0o755, parents=True)
        self.patch(servicecode, "_listFiles", list)
        self.patch(servicecode, "_listFolders", list)
        self.patch(servicecode, "findFlaw", self.findFlaw)
        self.patch(servicecode, "findNameFlaw", self.findFlaw)
        self.patch(sys, "path", [])

    def findFlaw(self, path: str) -> str | None:
        """Return whether others can write the nearest existing folder; trial's own is shared."""
        while not os.path.exists(path):
            path = os.path.dirname(path)
        return path if os.stat(path).st_mode & 0o022 else None

    def test_nobody(self) -> None:
        """Folders that nobody else can write are good, and so are entries that are not paths."""
        sys.path += ["", "relative", str(self.folder), str(self.folder / "absent.zip")]
        self.assertIsNone(findCodeFlaw())

    def test_others(self) -> None:
        """A folder that others can write, or could create, is a flaw."""
        self.folder.chmod(0o777)
        for name in ("", "absent"):
            sys.path[:] = [str(self.folder / name)]
            self.assertEqual(str(self.folder), findCodeFlaw())
