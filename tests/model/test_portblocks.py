"""Tests of L{pkdoors.model.portblocks}."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.model.portblocks import PortBlock, maskOf, splitBlocks
from tests.lab.properties import PROPERTY


class SplitBlocksTests(SynchronousTestCase):
    """
    Tests of L{splitBlocks}.
    """

    def test_examples(self) -> None:
        """A single port is one block; a range begins and ends with small ones."""
        self.assertEqual([PortBlock(22, 0)], list(splitBlocks(22, 22)))
        self.assertEqual([PortBlock(16, 2)], list(splitBlocks(16, 31)))
        self.assertEqual(
            [PortBlock(15, 0), PortBlock(16, 2), PortBlock(32, 1), PortBlock(36, 0)],
            list(splitBlocks(15, 36)),
        )

    def test_all(self) -> None:
        """The blocks are the range, each port of a block has its first bits, and they are few."""
        port = st.integers(1, 65535)

        @PROPERTY
        @given(port, port)
        def check(one: int, other: int) -> None:
            first, last = sorted((one, other))
            blocks = list(splitBlocks(first, last))
            self.assertEqual(first, blocks[0].first)
            self.assertEqual(last, blocks[-1].last)
            for block, following in pairwise(blocks):
                self.assertEqual(block.last + 1, following.first)
            for block in blocks:
                for end in (block.first, block.last):
                    self.assertEqual(block.first, end & maskOf(block.exponent))
                beside = {block.first - 1, block.last + 1}
                self.assertFalse(
                    any(number & maskOf(block.exponent) == block.first for number in beside)
                )
            self.assertLessEqual(len(blocks), 48)

        check()
