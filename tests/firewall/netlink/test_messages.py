"""Tests of L{pkdoors.firewall.netlink.messages}."""

import errno
import random
import struct
import sys

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink.messages import (
    OWNED,
    PORTION,
    Element,
    attribute,
    createTable,
    firstError,
    iterAttributes,
    parseAttributes,
    splitMessages,
    splitPortions,
)
from pkdoors.firewall.netlink.setchanges import addElements, removeElements
from tests.fakes.netlink import Change, readAttributes, readBatch
from tests.lab.garbage import spoiled

KEY4 = b"\xcb\x00\x71\x09"
KEY6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07"
REQUEST, ACK, CREATE = 0x1, 0x4, 0x400


def answer(number: int, kind: int = 2) -> bytes:
    """Return the kernel's answer to one message, with the header of that message."""
    body = struct.pack("=i", -number) + bytes(16)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


class BatchTests(SynchronousTestCase):
    """
    Tests of L{addElements}, L{removeElements} and L{createTable}.
    """

    def test_adding(self) -> None:
        """
        Adding is one batch: each element is added and deleted first, so an old timeout is not kept,
        and its absence is not an error. The latter two are acknowledged.
        """
        self.assertEqual(
            [
                Change("add", REQUEST | CREATE, "pkdoors", "default_open4", KEY4, 0),
                Change("delete", REQUEST | ACK, "pkdoors", "default_open4", KEY4, 0),
                Change("add", REQUEST | CREATE | ACK, "pkdoors", "default_open4", KEY4, 30_000),
            ],
            readBatch(addElements("pkdoors", "default_open4", [Element(KEY4, 30_000)])),
        )

    def test_several(self) -> None:
        """Several elements make one batch of three messages, in order."""
        elements = [Element(bytes([n]) * 4, 1000 * n, n, f"c{n}") for n in range(1, 4)]
        added = [
            (change.key, change.milliseconds, change.comment, change.expires)
            for change in readBatch(addElements("t", "s", iter(elements)))
        ]
        plain = [(element.key, 0, "", 0) for element in elements]
        full = [
            (element.key, element.timeout, element.comment, element.expires) for element in elements
        ]
        self.assertEqual(plain + plain + full, added)

    def test_removing(self) -> None:
        """Removing adds before it deletes: a missing element is not an error."""
        self.assertEqual(
            [
                Change("add", REQUEST | CREATE, "pkdoors", "web_open6", KEY6, 0),
                Change("delete", REQUEST | ACK, "pkdoors", "web_open6", KEY6, 0),
            ],
            readBatch(removeElements("pkdoors", "web_open6", iter([KEY6]))),
        )

    def test_longTimeout(self) -> None:
        """30 days are no problem."""
        changes = readBatch(addElements("t", "s", [Element(KEY4, 2_592_000_000)]))
        self.assertEqual(2_592_000_000, changes[-1].milliseconds)

    def test_comment(self) -> None:
        """An element can have a comment of the maximum length."""
        for comment in ("a", "SHA256:abc anna@laptop", "x" * 127):
            batch = addElements("t", "s", [Element(KEY4, 30_000, comment=comment)])
            self.assertEqual(["", "", comment], [change.comment for change in readBatch(batch)])

    def test_portion(self) -> None:
        """A full portion of the largest elements fits into one message."""
        element = Element(bytes(40), 2**40, 2**40, "x" * 127)
        self.assertEqual(
            3 * PORTION, len(readBatch(addElements("t", "s" * 40, [element] * PORTION)))
        )

    def test_making(self) -> None:
        """A table is made, or taken over, in a batch, with the flags of an owned one."""
        for flags in (0, OWNED):
            begin, (kind, sent, body), end = splitMessages(createTable("pkdoors", flags))
            self.assertEqual((16, 17), (begin[0], end[0]))
            self.assertEqual((10 << 8, REQUEST | ACK | CREATE), (kind, sent))
            self.assertEqual(
                {1: b"pkdoors\0", 2: struct.pack("!I", flags)}, readAttributes(body[4:])
            )

    def test_padding(self) -> None:
        """Names of any length are padded as the kernel wants."""
        for length in range(1, 9):
            (change, _) = readBatch(removeElements("t" * length, "s" * length, [KEY4]))
            self.assertEqual(("t" * length, "s" * length), (change.table, change.name))

    def test_bytes(self) -> None:
        """The bytes of one batch, on a little-endian machine."""
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
        self.assertEqual(bytes.fromhex(expected), removeElements("t", "s", [KEY4]))


class ErrorOfTests(SynchronousTestCase):
    """
    Tests of L{firstError}.
    """

    def test_success(self) -> None:
        """If there are only acknowledgements, it is a success."""
        self.assertEqual(0, firstError(answer(0) + answer(0)))

    def test_error(self) -> None:
        """The first error counts, wherever it is."""
        self.assertEqual(errno.ENOENT, firstError(answer(errno.ENOENT)))
        both = answer(0) + answer(errno.ENFILE) + answer(errno.EPERM)
        self.assertEqual(errno.ENFILE, firstError(both))

    def test_otherMessages(self) -> None:
        """Messages that are not answers are ignored."""
        self.assertEqual(errno.EPERM, firstError(answer(errno.EIO, kind=3) + answer(errno.EPERM)))

    def test_none(self) -> None:
        """No answer at all is not a success."""
        for silence in (b"", b"\0" * 10, answer(0, kind=3)):
            self.assertEqual(errno.EPROTO, firstError(silence))

    def test_garbage(self) -> None:
        """Random bytes never raise, and reading ends, even if a length is absurd."""
        random_ = random.Random(20261108)
        for _ in range(2000):
            self.assertIsInstance(firstError(random_.randbytes(random_.randrange(100))), int)
        self.assertIsInstance(firstError(bytes(1000)), int)


class PortionsTests(SynchronousTestCase):
    """
    Tests of L{splitPortions}.
    """

    def test_portions(self) -> None:
        """Items are split in order, and no items make no portion."""
        self.assertEqual([[0, 1], [2, 3], [4]], list(splitPortions(range(5), 2)))
        self.assertEqual([], list(splitPortions([])))
        self.assertEqual([200, 200, 1], list(map(len, splitPortions(range(401)))))


class AttributeTests(SynchronousTestCase):
    """
    Reading the kernel's messages.
    """

    def test_back(self) -> None:
        """Attributes that were written are read again: content, order, padding."""
        contents = [(kind, bytes([kind]) * kind) for kind in range(1, 9)]
        data = b"".join(attribute(*content) for content in contents)
        self.assertEqual(contents, list(iterAttributes(data)))
        self.assertEqual(dict(contents), parseAttributes(data))

    def test_flags(self) -> None:
        """The flags for nested content and the network's order are not part of a type."""
        data = attribute(0x8000 | 3, b"a") + attribute(0x4000 | 4, b"b")
        self.assertEqual({3: b"a", 4: b"b"}, parseAttributes(data))

    def test_first(self) -> None:
        """If a type occurs more than once, the first attribute counts."""
        self.assertEqual({1: b"a"}, parseAttributes(attribute(1, b"a") + attribute(1, b"b")))

    def test_garbage(self) -> None:
        """Whatever comes, nothing is raised, and reading ends."""
        good = (
            answer(0) + answer(errno.ENOENT, 3) + addElements("t", "s", [Element(KEY4, 1, 1, "c")])
        )
        for broken in spoiled(good, 2000):
            for _, _, body in splitMessages(broken):
                for _, content in iterAttributes(body[4:]):
                    parseAttributes(content)
        self.assertEqual(250, len(list(iterAttributes(bytes(1000)))))
