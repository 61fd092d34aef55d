"""Tests of L{pkdoors.nfnetlink}."""

import errno
import random
import struct
import sys

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.nfnetlink import adding, asking, countOf, errorOf, removing
from tests.fakes import Change, counterAnswer, readAttributes, readBatch

KEY4 = b"\xcb\x00\x71\x09"
KEY6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07"
REQUEST, ACK, CREATE = 0x1, 0x4, 0x400


def answer(number: int, kind: int = 2) -> bytes:
    """The kernel's answer to one message, with the header of that message."""
    body = struct.pack("=i", -number) + bytes(16)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


class BatchTests(SynchronousTestCase):
    """
    Tests of L{adding} and L{removing}.
    """

    def test_adding(self) -> None:
        """
        Adding is one batch: added and deleted first, so that an old timeout is not kept, nor its
        absence an error. Each of the latter two is acknowledged.
        """
        self.assertEqual(
            [
                Change("add", REQUEST | CREATE, "pkdoors", "default_open4", KEY4, 0),
                Change("delete", REQUEST | ACK, "pkdoors", "default_open4", KEY4, 0),
                Change("add", REQUEST | CREATE | ACK, "pkdoors", "default_open4", KEY4, 30_000),
            ],
            readBatch(adding("pkdoors", "default_open4", KEY4, 30_000)),
        )

    def test_removing(self) -> None:
        """Removing adds before it deletes: that it is not there is no error."""
        self.assertEqual(
            [
                Change("add", REQUEST | CREATE, "pkdoors", "web_open6", KEY6, 0),
                Change("delete", REQUEST | ACK, "pkdoors", "web_open6", KEY6, 0),
            ],
            readBatch(removing("pkdoors", "web_open6", KEY6)),
        )

    def test_longTimeout(self) -> None:
        """30 days are no problem."""
        changes = readBatch(adding("pkdoors", "default_open4", KEY4, 2_592_000_000))
        self.assertEqual(2_592_000_000, changes[-1].milliseconds)

    def test_comment(self) -> None:
        """It can have a comment, as long as one may be."""
        for comment in ("a", "SHA256:abc anna@laptop", "x" * 127):
            batch = adding("pkdoors", "default_open4", KEY4, 30_000, comment)
            self.assertEqual(["", "", comment], [each.comment for each in readBatch(batch)])

    def test_padding(self) -> None:
        """Names of any length are padded to what the kernel wants."""
        for length in range(1, 9):
            (change, _) = readBatch(removing("t" * length, "s" * length, KEY4))
            self.assertEqual(("t" * length, "s" * length), (change.table, change.name))

    def test_bytes(self) -> None:
        """The bytes of one batch, on a machine whose integers begin with the lowest byte."""
        if sys.byteorder != "little":
            raise self.skipTest("this machine has the other order of bytes")
        body = (
            "01000000 0600010074000000 0600020073000000"  # family, table "t", set "s"
            "14000380 10000180 0c000180 08000100cb007109"  # elements, element, key, value
        )
        expected = (
            "14000000 1000 0100 00000000 00000000 0000000a"
            f"38000000 0c0a 0104 00000000 00000000 {body}"
            f"38000000 0e0a 0500 00000000 00000000 {body}"
            "14000000 1100 0100 00000000 00000000 0000000a"
        )
        self.assertEqual(bytes.fromhex(expected), removing("t", "s", KEY4))


class ErrorOfTests(SynchronousTestCase):
    """
    Tests of L{errorOf}.
    """

    def test_success(self) -> None:
        """Acknowledgements alone are success."""
        self.assertEqual(0, errorOf(answer(0) + answer(0)))

    def test_error(self) -> None:
        """The first error counts, wherever it is."""
        self.assertEqual(errno.ENOENT, errorOf(answer(errno.ENOENT)))
        both = answer(0) + answer(errno.ENFILE) + answer(errno.EPERM)
        self.assertEqual(errno.ENFILE, errorOf(both))

    def test_otherMessages(self) -> None:
        """Messages that are no answers are passed over."""
        self.assertEqual(errno.EPERM, errorOf(answer(errno.EIO, kind=3) + answer(errno.EPERM)))

    def test_none(self) -> None:
        """No answer at all is no success."""
        for silence in (b"", b"\0" * 10, answer(0, kind=3)):
            self.assertEqual(errno.EPROTO, errorOf(silence))

    def test_garbage(self) -> None:
        """Random bytes never raise and end, also where a length is absurd."""
        random_ = random.Random(20261108)
        for _ in range(2000):
            self.assertIsInstance(errorOf(random_.randbytes(random_.randrange(100))), int)
        self.assertIsInstance(errorOf(bytes(1000)), int)


class CounterTests(SynchronousTestCase):
    """
    Tests of L{asking} and L{countOf}.
    """

    def test_asking(self) -> None:
        """The question names table, counter and kind, each as the kernel wants it."""
        question = asking("pkdoors", "ssh_dropped")
        self.assertEqual(
            (len(question), 10 << 8 | 19, 1, 0, 0), struct.unpack_from("=IHHII", question)
        )
        self.assertEqual((1, 0, 0), struct.unpack_from("!BBH", question, 16))
        self.assertEqual(
            {1: b"pkdoors\0", 2: b"ssh_dropped\0", 3: b"\0\0\0\1"}, readAttributes(question[20:])
        )

    def test_count(self) -> None:
        """The packets are told, however many."""
        for packets in (0, 1, 2**40):
            self.assertEqual(packets, countOf(counterAnswer("ssh_dropped", packets)))

    def test_noSuchCounter(self) -> None:
        """An error, or nothing, counts as nothing."""
        error = struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -2)
        self.assertEqual((0, 0), (countOf(error), countOf(b"")))

    def test_garbage(self) -> None:
        """Whatever comes, nothing is raised."""
        random_ = random.Random(20261125)
        good = counterAnswer("ssh_dropped", 7)
        for _ in range(3000):
            answer = bytearray(good[: random_.randrange(len(good) + 1)])
            for _ in range(random_.randrange(4)):
                if answer:
                    answer[random_.randrange(len(answer))] = random_.randrange(256)
            self.assertLessEqual(0, countOf(bytes(answer)))
