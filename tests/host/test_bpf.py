"""Tests of L{pkdoors.host.bpf}."""

import struct

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host.bpf import assemble


class AssembleTests(SynchronousTestCase):
    """
    Tests of L{assemble}.
    """

    def test_instructions(self) -> None:
        """
        An instruction is its code, two jumps and a number; labels and comments are not
        instructions.
        """
        text = """
        start:  ld   [12]  ; four bytes
                jeq  #0x10, end, start2
        start2: ldb  [x + 3]
        end:    ret  #1
        """
        self.assertEqual(
            [(0x20, 0, 0, 12), (0x15, 1, 0, 16), (0x50, 0, 0, 3), (0x06, 0, 0, 1)],
            list(struct.iter_unpack("=HBBI", assemble(text))),
        )

    def test_onlyTrue(self) -> None:
        """A missing second target is the next instruction."""
        code = assemble("ld len\njgt #5, end\ntax\nend: ret #0")
        self.assertEqual((0x25, 1, 0, 5), struct.unpack_from("=HBBI", code, 8))
