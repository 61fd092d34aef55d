"""Tests of L{pkdoors.nfevents}."""

import random
import struct

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.nfevents import Changes

OURS, NFT = 4711, 815
NEWTABLE, DELTABLE, DELRULE, DELSETELEM, NEWGEN = 0, 2, 8, 14, 15


def attribute(kind: int, body: bytes) -> bytes:
    """A netlink attribute."""
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def message(kind: int, body: bytes, family: int = 1, subsystem: int = 10) -> bytes:
    """A netlink message of nftables."""
    head = struct.pack("=IHHIIBBH", 20 + len(body), subsystem << 8 | kind, 0, 7, 99, family, 0, 0)
    return head + body


def about(kind: int, table: str = "pkdoors", family: int = 1) -> bytes:
    """A message about something in a table."""
    return message(kind, attribute(1, table.encode() + b"\0") + attribute(2, b"more\0"), family)


def end(process: int = NFT, name: str = "nft") -> bytes:
    """What ends a transaction."""
    body = attribute(1, struct.pack("!I", 5)) + attribute(2, struct.pack("!I", process))
    return message(NEWGEN, body + attribute(3, name.encode() + b"\0"), family=0)


class ChangesTests(SynchronousTestCase):
    """
    Tests of L{Changes}.
    """

    def setUp(self) -> None:
        """The guard is in place, and nothing else has come."""
        self.changes = Changes("pkdoors", "twistd")
        self.assertEqual([], self.changes.feed(about(NEWTABLE) + end(OURS, "twistd")))

    def test_others(self) -> None:
        """A change of our table by another process is told, with its name, at its end."""
        for kind in (DELTABLE, DELRULE, DELSETELEM, NEWTABLE):
            self.assertEqual([], self.changes.feed(about(kind)))
            self.assertEqual(["nft"], self.changes.feed(end()))

    def test_ours(self) -> None:
        """What we did ourselves is not."""
        self.assertEqual([], self.changes.feed(about(DELTABLE) + end(OURS, "twistd")))

    def test_anotherOfOurName(self) -> None:
        """Another process of our name is another."""
        self.assertEqual(["twistd"], self.changes.feed(about(DELTABLE) + end(NFT, "twistd")))

    def test_othersFirst(self) -> None:
        """What others do before we did anything is theirs."""
        changes = Changes("pkdoors", "twistd")
        self.assertEqual(["nft"], changes.feed(about(DELTABLE) + end()))
        self.assertEqual([], changes.feed(about(NEWTABLE) + end(OURS, "twistd")))
        self.assertEqual([], changes.feed(about(DELTABLE) + end(OURS, "twistd")))

    def test_otherTables(self) -> None:
        """Other tables are none of our business, nor is one of our name in another family."""
        strangers = about(DELTABLE, "filter") + about(DELTABLE, "pkdoors2") + about(0, family=2)
        self.assertEqual([], self.changes.feed(strangers + end()))

    def test_once(self) -> None:
        """A transaction is told once, however much it changed; the next one is another."""
        flush = about(DELSETELEM) + about(DELRULE) + about(DELTABLE) + end()
        self.assertEqual(["nft"], self.changes.feed(flush))
        self.assertEqual([], self.changes.feed(end()))
        self.assertEqual(["nft", "sh"], self.changes.feed(flush + about(NEWTABLE) + end(1, "sh")))

    def test_otherSubsystems(self) -> None:
        """Messages of other parts of the kernel's firewall do not count."""
        stranger = message(DELTABLE, attribute(1, b"pkdoors\0"), subsystem=1)
        self.assertEqual([], self.changes.feed(stranger + end()))

    def test_garbage(self) -> None:
        """Nothing raises, whatever comes."""
        source = random.Random(7)
        good = about(DELTABLE) + end()
        for _ in range(3000):
            broken = bytearray(good[: source.randrange(len(good) + 1)])
            for _ in range(source.randrange(4)):
                if broken:
                    broken[source.randrange(len(broken))] = source.randrange(256)
            self.changes.feed(bytes(broken) + source.randbytes(source.randrange(40)))
        Changes("pkdoors", "twistd").feed(b"")
