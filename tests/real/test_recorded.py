"""The recorded terminals of the manual show what happens now."""

import os
import re

from twisted.trial.unittest import SynchronousTestCase

from tests.lab.recording import PICTURE, START, readLines, recordPicture, recordStart

REMEDY = "`sudo script/record` records it again; look at what has changed"


class RecordedTests(SynchronousTestCase):
    """
    Each command is run again.
    """

    if os.getuid() != 0:
        skip = "real tests make network namespaces: run them as root (sudo script/test)"

    def test_start(self) -> None:
        """A page that leads from nothing to the first ssh through a closed port."""
        page = START.read_text()
        self.assertEqual(page.splitlines(), recordStart(page).splitlines(), REMEDY)

    def test_picture(self) -> None:
        """The picture of a knock and of C{pkdoors watch}, without anything from elsewhere."""
        picture = PICTURE.read_text()
        self.assertEqual(readLines(picture), readLines(recordPicture()), REMEDY)
        self.assertEqual(["http://www.w3.org/2000/svg"], re.findall(r'https?://[^\s"]+', picture))
