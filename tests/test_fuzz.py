"""Tests of the fuzz targets in L{fuzz.targets}, with their corpus and with similar inputs."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import fuzz
from fuzz.targets import MAX_INPUT, TARGETS
from tests.fakes.log import useUTC
from tests.lab.properties import PROPERTY, SLOW

MAX_FILE = 4096
"""The longest file of the corpus in bytes, since people read these files, too."""

CORPUS = {
    target: {
        path.name: path.read_bytes()
        for path in sorted((Path(fuzz.__file__).parent / "corpus" / target).iterdir())
    }
    for target in TARGETS
}


def near(data: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy for data like some bytes, with a part of them replaced."""
    at = st.integers(0, len(data))
    return st.builds(
        lambda first, last, new: data[: min(first, last)] + new + data[max(first, last) :],
        at,
        at,
        st.binary(max_size=12) | st.text(max_size=6).map(lambda text: text.encode()),
    )


class FuzzTests(SynchronousTestCase):
    """
    No input gives an unexpected error.
    """

    def setUp(self) -> None:
        """Use UTC, so local times are the same everywhere."""
        useUTC(self)

    def test_corpus(self) -> None:
        """
        Each file of the corpus is small, and is parsed or refused with the parser's own error.
        """
        for target, files in CORPUS.items():
            for name, data in files.items():
                with self.subTest(f"{target}/{name}"):
                    self.assertLessEqual(len(data), MAX_FILE)
                    TARGETS[target](data)

    def test_bytes(self) -> None:
        """Random bytes are parsed or refused, too."""
        for target, run in TARGETS.items():
            with self.subTest(target):
                PROPERTY(given(st.binary(max_size=MAX_INPUT))(run))()

    def test_near(self) -> None:
        """So are bytes that are almost right."""
        for target, files in CORPUS.items():
            with self.subTest(target):
                inputs = st.sampled_from(sorted(files.values())).flatmap(near)
                SLOW(given(inputs)(TARGETS[target]))()
