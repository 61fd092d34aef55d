"""Tests of L{pkdoors.daemon.notes.ordersfile}: no ban is ever lost, and no order counts twice."""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.notes import notesfile, ordersfile
from pkdoors.daemon.notes.ordersfile import OrdersFile, ordersPath
from pkdoors.knocks.order import Order, SealedOrder
from pkdoors.locks.relayed.bans import Bans
from tests.fakes.log import Log

KEYS = [f"SHA256:{number:042}A" for number in range(100)]
FULL = OSError(28, "No space left on device")


def order(verb: str, what: str, stamp: int = 7) -> SealedOrder:
    """Return an order, as one that was judged."""
    found = Order("prod", verb, what, stamp, "0" * 16)
    return SealedOrder(found, found.encode(), b"")


class OrdersFileTestCase(SynchronousTestCase):
    """
    A daemon that notes orders, and its successors.
    """

    def setUp(self) -> None:
        """Start the first one."""
        self.folder = Path(self.mktemp()).absolute() / "lib"
        self.folder.parent.mkdir()
        self.path = ordersPath(self.folder / "0123456789abcdef.seen")
        self.log = Log(self)
        self.start()

    def start(self) -> None:
        """Start a daemon."""
        self.file = OrdersFile(self.path)
        self.addCleanup(self.file.close)
        self.bans = Bans(self.file.note)
        self.file.start(self.bans)

    def restart(self) -> None:
        """Kill it, and start the next one. There is no proper end: each line is on the disk."""
        self.file.close()
        self.start()

    def ban(self, *numbers: int, verb: str = "ban", stamp: int = 7) -> None:
        """Accept orders about some keys."""
        for number in numbers:
            self.bans.accept(order(verb, KEYS[number], stamp))

    def banned(self) -> list[int]:
        """Return which keys are banned."""
        return [number for number, key in enumerate(KEYS) if self.bans.findBan(key)]

    def assertWarned(self, trouble: str, count: int) -> None:
        """Assert that the only line says what is wrong with the notes."""
        self.assertEqual(
            [
                f"the notes of the fleet's orders in {self.path} may lack some ({trouble}): "
                f"{count} banned keys are known, others when the fleet's engine has been read"
            ],
            self.log.lines(),
        )
        self.log = Log(self)


class KeptTests(OrdersFileTestCase):
    """
    What one daemon accepted, the next one knows.
    """

    def test_restart(self) -> None:
        """Bans, their ends and orders are known after a restart, and after the next one."""
        close = order("close", "*")
        self.bans.accept(close)
        self.ban(1, 2)
        self.ban(2, verb="unban", stamp=8)
        for _ in range(2):
            self.restart()
            self.assertEqual([1], self.banned())
            self.assertTrue(self.bans.hasSeen(close))
            self.assertFalse(self.bans.accept(order("ban", KEYS[2], 7)))
        self.assertEqual([], self.log.lines())

    def test_private(self) -> None:
        """Nobody else can read the files."""
        self.ban(1)
        self.assertEqual(
            {"0o600"}, {oct(each.stat().st_mode & 0o777) for each in self.folder.iterdir()}
        )

    def test_onDisk(self) -> None:
        """An order has reached the disk before it counts."""
        synced: list[tuple[str, list[int]]] = []

        def sync(file: int) -> None:
            last = Path(f"/proc/self/fd/{file}").read_text().splitlines()[-2:]
            synced.append((" ".join(line.split()[1] for line in last), self.banned()))

        self.patch(os, "fsync", sync)
        self.ban(1)
        self.assertEqual([("ban order", [])], synced)

    def test_bound(self) -> None:
        """The file is written again now and then, and has no more lines than it needs."""
        self.patch(ordersfile, "MAX_LINES", 8)
        for stamp in range(1, 50):
            self.bans.accept(order("ban", KEYS[1], stamp))
            self.assertLess(len(self.path.read_text().splitlines()), stamp + 20)
        self.restart()
        self.assertEqual(49, self.bans.findBan(KEYS[1]))
        self.assertEqual([], self.log.lines())

    def test_descriptors(self) -> None:
        """However often the file is written again, it has one descriptor, beside the lock's."""
        self.patch(ordersfile, "MAX_LINES", 2)
        before = len(os.listdir("/proc/self/fd"))
        self.ban(*range(20))
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))
        self.file.close()
        self.assertEqual(before - 2, len(os.listdir("/proc/self/fd")))

    def test_besideSeen(self) -> None:
        """The file has the name of the notes of used seals, and another lock."""
        names = {"0123456789abcdef.orders", "0123456789abcdef.orders.lock"}
        self.assertEqual(names, {each.name for each in self.folder.iterdir()})


class LostTests(OrdersFileTestCase):
    """
    Something is wrong with the file. Whatever it has counts.
    """

    def test_missing(self) -> None:
        """A missing file is that of a host that joins a fleet."""
        self.file.close()
        self.path.unlink()
        self.start()
        self.assertEqual(([], []), (self.banned(), self.log.lines()))

    def test_torn(self) -> None:
        """The line that a power cut has torn is no order; those before it count."""
        self.ban(1, 2)
        text = self.path.read_text()
        for end in range(len(text) - 1, text.index(" order ") + 60, -7):
            self.file.close()
            self.path.write_text(text[:end])
            self.start()
            self.assertIn(1, self.banned())
            self.log = Log(self)

    def test_damaged(self) -> None:
        """A changed line, and those after it, do not count, and the file is kept aside."""
        self.ban(1, 2, 3)
        self.file.close()
        text = self.path.read_text().replace(KEYS[2], KEYS[9])
        self.path.write_text(text)
        self.start()
        self.assertEqual([1], self.banned())
        self.assertWarned("they are damaged", 1)
        self.assertEqual(text, self.path.with_name(f"{self.path.name}.damaged").read_text())
        self.ban(4)
        self.restart()
        self.assertEqual(([1, 4], []), (self.banned(), self.log.lines()))

    def test_noUnban(self) -> None:
        """Nobody can turn a line into one that takes a ban back."""
        self.ban(1)
        self.file.close()
        self.path.write_text(self.path.read_text().replace(" ban ", " unban "))
        self.start()
        self.assertEqual([], self.banned())
        self.assertWarned("they are damaged", 0)

    def test_empty(self) -> None:
        """An empty file is not one of a daemon that has accepted nothing."""
        self.file.close()
        self.path.write_text("")
        self.start()
        self.assertWarned("they are damaged", 0)

    def test_copy(self) -> None:
        """An older copy counts as far as it goes."""
        self.ban(1)
        old = self.path.read_text()
        self.ban(2)
        self.file.close()
        other = self.path.with_name("copy")
        other.write_text(old)
        other.chmod(0o600)
        other.replace(self.path)
        self.start()
        self.assertEqual([1], self.banned())
        self.assertWarned("somebody put a copy in their place", 1)

    def test_others(self) -> None:
        """A file that others can write does not count at all."""
        self.ban(1)
        self.file.close()
        self.path.chmod(0o622)
        self.start()
        self.assertEqual([], self.banned())
        self.assertWarned("others can write the file", 0)

    def test_locked(self) -> None:
        """Of two daemons, the second one knows what the file has, and does not write it."""
        self.ban(1)
        first = self.file
        self.start()
        self.assertEqual([1], self.banned())
        reason = "another daemon uses them: give each daemon a configuration file of its own"
        self.assertWarned(reason, 1)
        before = self.path.read_text()
        self.ban(2)
        self.assertEqual([1, 2], self.banned())
        self.assertEqual(before, self.path.read_text())
        first.close()

    def test_unreadable(self) -> None:
        """A file that cannot be read is kept aside: it may be all that there is."""
        self.ban(1)
        self.file.close()
        read = self.patch(notesfile, "_READ", os.O_RDONLY | os.O_DIRECTORY)
        self.start()
        read.restore()
        self.assertWarned("they cannot be opened: Not a directory", 0)
        self.path.with_name(f"{self.path.name}.damaged").replace(self.path)
        self.restart()
        self.assertEqual([1], self.banned())


class UnwritableTests(OrdersFileTestCase):
    """
    The file cannot be written: orders count all the same, and one line says so.
    """

    def fail_(self, *args: object) -> int:
        """Nothing can be written."""
        raise FULL

    def test_diskFull(self) -> None:
        """A full disk takes no earlier ban away, and orders are noted when there is room again."""
        self.ban(1)
        for name in ("_writeAll", "openOwn"):
            patch = self.patch(notesfile, name, self.fail_)
            self.ban(2, 3)
            self.assertEqual([1, 2, 3], self.banned())
            patch.restore()
        (line,) = self.log.lines()
        self.assertEqual(
            f"cannot write {self.path} (No space left on device): the fleet's orders count now, "
            "but after a restart of the daemon only when the fleet's engine has been read",
            line,
        )
        self.ban(4)
        self.log = Log(self)
        self.restart()
        self.assertEqual(([1, 2, 3, 4], []), (self.banned(), self.log.lines()))

    def test_killedThen(self) -> None:
        """If the daemon is killed while the disk is full, the earlier bans are still there."""
        self.ban(1)
        self.patch(ordersfile, "MAX_LINES", 0)
        for name in ("_writeAll", "openOwn"):
            patch = self.patch(notesfile, name, self.fail_)
            self.ban(2)
            self.file.close()
            patch.restore()
            self.start()
            self.assertEqual([1], self.banned())

    def test_halfALine(self) -> None:
        """A line that fits on the disk only in part spoils nothing."""
        self.ban(1)
        write = os.write
        patch = self.patch(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        self.ban(2)
        patch.restore()
        self.ban(3)
        self.log = Log(self)
        self.restart()
        self.assertEqual(([1, 2, 3], []), (self.banned(), self.log.lines()))

    def test_notSynced(self) -> None:
        """A line that may not have reached the disk is reported, and written again."""

        def fail(file: int) -> None:
            raise OSError(5, "Input/output error")

        patch = self.patch(os, "fsync", fail)
        self.ban(1)
        patch.restore()
        self.assertEqual(1, len(self.log.lines()))
        self.assertEqual([1], self.banned())

    def test_noFolder(self) -> None:
        """A folder that cannot be made is one warning, and nothing is raised."""
        self.file.close()
        (self.folder / "in the way").write_text("")
        self.path = self.folder / "in the way" / "lib" / "x.orders"
        self.start()
        self.ban(1)
        self.assertEqual([1], self.banned())
        self.assertWarned("they cannot be opened: Not a directory", 0)

    def test_link(self) -> None:
        """A link in place of the new file is not followed."""
        victim = self.folder / "victim"
        victim.write_text("precious")
        self.file.close()
        self.path.with_name(f"{self.path.name}.new").symlink_to(victim)
        self.start()
        self.ban(1)
        self.assertEqual("precious", victim.read_text())
