"""The recorded terminals of the manual show what happens now."""

import os
import re

from twisted.trial.unittest import SynchronousTestCase

from tests.lab.picture import readPicture
from tests.lab.recording import PICTURE, START, recordPicture, recordStart
from tests.lab.transcript import freeze

REMEDY = "`sudo script/record` records it again; look at what has changed"


def readLines(picture: str) -> list[str]:
    """Return the lines of a picture, with one value in place of what is different each time."""
    lines = freeze("\n".join(readPicture(picture))).splitlines()
    changing = "|".join(
        (
            "[━╸╺]",
            r"\d\d:\d\d:\d\d",
            r"[\d.]+knocks/s",
            r"pkdoors[\d.]+(dev\d+)?,up\w+",
            r"\d+[hms]\d+[ms]\d*s?",
        )
    )
    return [re.sub(changing, "", re.sub(r"\s", "", line)) for line in lines]


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
