"""Tests of L{pkdoors.firewall.nftables._notifications}."""

import random
import socket
import struct

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.nftables._notifications import Changes, ignoreOwn
from pkdoors.host.socketfilter import attachFilter

OURS, NFT = 4711, 815
NEWTABLE, DELTABLE, DELRULE, DELSETELEM, NEWGEN = 0, 2, 8, 14, 15


def attribute(kind: int, body: bytes) -> bytes:
    """Return a netlink attribute."""
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def message(kind: int, body: bytes, family: int = 1, subsystem: int = 10, port: int = NFT) -> bytes:
    """Return a message of nftables, about a change that came from a port."""
    head = struct.pack("=IHHIIBBH", 20 + len(body), subsystem << 8 | kind, 0, 7, port, family, 0, 0)
    return head + body


def about(kind: int, table: str = "pkdoors", family: int = 1, port: int = NFT) -> bytes:
    """Return a message about something in a table."""
    body = attribute(1, table.encode() + b"\0") + attribute(2, b"more\0")
    return message(kind, body, family, port=port)


def end(port: int = NFT, name: str = "nft") -> bytes:
    """Return the end of a transaction."""
    body = attribute(1, struct.pack("!I", 5)) + attribute(2, struct.pack("!I", 1234))
    return message(NEWGEN, body + attribute(3, name.encode() + b"\0"), family=0, port=port)


def ours(kind: int = DELTABLE) -> bytes:
    """Return a transaction of our own."""
    return about(kind, port=OURS) + end(OURS, "twistd")


class ChangesTests(SynchronousTestCase):
    """
    Tests of L{Changes}.
    """

    def setUp(self) -> None:
        """Have a guard in place, and no changes."""
        self.changes = Changes("pkdoors", OURS)
        self.assertEqual([], self.changes.feed(ours(NEWTABLE)))

    def test_others(self) -> None:
        """A change of our table by another process is reported with its name, at its end."""
        for kind in (DELTABLE, DELRULE, DELSETELEM, NEWTABLE):
            self.assertEqual([], self.changes.feed(about(kind)))
            self.assertEqual(["nft"], self.changes.feed(end()))

    def test_ours(self) -> None:
        """
        Our own changes are recognized by our port, and not reported; those of another process with
        our name are.
        """
        self.assertEqual([], self.changes.feed(ours()))
        self.assertEqual(["twistd"], self.changes.feed(about(DELTABLE, port=7) + end(7, "twistd")))

    def test_between(self) -> None:
        """Others' changes count, whatever we do before and after them."""
        self.assertEqual(["nft"], self.changes.feed(ours() + about(DELRULE) + end() + ours()))
        self.assertEqual([], self.changes.feed(ours()))

    def test_otherTables(self) -> None:
        """Other tables do not count, nor does one of our name in another family."""
        strangers = about(DELTABLE, "filter") + about(DELTABLE, "pkdoors2") + about(0, family=2)
        self.assertEqual([], self.changes.feed(strangers + end()))

    def test_once(self) -> None:
        """A transaction is reported once, however much it changed; the next one is another."""
        flush = about(DELSETELEM) + about(DELRULE) + about(DELTABLE) + end()
        self.assertEqual(["nft"], self.changes.feed(flush))
        self.assertEqual([], self.changes.feed(end()))
        self.assertEqual(
            ["nft", "sh"], self.changes.feed(flush + about(NEWTABLE, port=1) + end(1, "sh"))
        )

    def test_otherSubsystems(self) -> None:
        """Messages of other parts of the kernel's firewall do not count."""
        stranger = message(DELTABLE, attribute(1, b"pkdoors\0"), subsystem=1)
        self.assertEqual([], self.changes.feed(stranger + end()))

    def test_garbage(self) -> None:
        """Whatever comes, nothing is raised."""
        source = random.Random(7)
        good = about(DELTABLE) + end()
        for _ in range(3000):
            broken = bytearray(good[: source.randrange(len(good) + 1)])
            for _ in range(source.randrange(4)):
                if broken:
                    broken[source.randrange(len(broken))] = source.randrange(256)
            self.changes.feed(bytes(broken) + source.randbytes(source.randrange(40)))
        Changes("pkdoors", OURS).feed(b"")


class OthersOnlyTests(SynchronousTestCase):
    """
    Tests of L{ignoreOwn}.
    """

    def test_filter(self) -> None:
        """On a real socket, the program passes others' changes."""
        for port in (OURS, 0x1234, 0xFFFFFECF):
            hears, tells = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(hears.close)
            self.addCleanup(tells.close)
            hears.setblocking(False)
            attachFilter(hears, ignoreOwn(port))
            theirs = [about(DELTABLE, port=other) for other in (port ^ 1, port ^ 0x1000000, 0)]
            for datagram in (about(DELTABLE, port=port), *theirs, end(port)):
                tells.send(datagram)
            self.assertEqual(theirs, [hears.recv(65536) for _ in theirs])
            self.assertRaises(BlockingIOError, hears.recv, 65536)
