"""The pictures of the operator's page in the manual show what it looks like now."""

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.lab.browser import MISSING
from tests.lab.pagepictures import FOLDER, SHAPES, makePictures
from tests.lab.png import readNote
from tests.real.test_recorded import REMEDY

MOST = 400_000
"""Bytes of all of them."""


class PictureTests(SynchronousTestCase):
    """
    The page is drawn again.
    """

    if os.getuid() != 0:
        skip = "real tests make network namespaces: run them as root (sudo script/test)"
    elif MISSING:
        skip = MISSING

    def test_fresh(self) -> None:
        """Each picture is of the page that there is, with its widths and colours."""
        shown = {name: digest for name, digest, _ in makePictures()}
        noted = {name: readNote((FOLDER / name).read_bytes()) for name in SHAPES}
        self.assertEqual(noted, shown, REMEDY)

    def test_small(self) -> None:
        """They are small enough for everybody's clone."""
        self.assertLess(sum((FOLDER / name).stat().st_size for name in SHAPES), MOST)
