"""Tests of L{pkdoors.firewall.nftables.table}: the contents of a table, and single openings."""

import errno
from ipaddress import ip_address
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import HANDOVER, TABLE, Guard
from pkdoors.firewall.guard.openingkeys import openingKey
from pkdoors.firewall.guard.sets import FORMAT, listOpeningSets
from pkdoors.firewall.netlink.kernel import GuardGone, NotPermitted, errorFor
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.principal import Principal
from tests.fakes.doors import makeDoor, makeOpening
from tests.fakes.tables import FakeTable
from tests.firewall.nftables.tablecase import NEXT, TCP, GuardTableTestCase


class GuardsTests(GuardTableTestCase):
    """
    Tests of L{GuardTable.isGuarding}.
    """

    def test_doors(self) -> None:
        """A guard is valid for the doors that it covers, and for fewer."""
        self.assertFalse(self.table.isGuarding(()))
        self.replace()
        other = makeDoor(NEXT, "443", name="web")
        self.assertEqual(
            [True, True, False, False],
            [
                self.table.isGuarding(doors)
                for doors in ((), self.doors, (other,), (*self.doors, other))
            ],
        )

    def test_otherBoot(self) -> None:
        """A guard of another boot is not valid."""
        self.replace()
        self.boot = "another"
        self.assertFalse(self.daemon().isGuarding(self.doors))

    def test_otherVersion(self) -> None:
        """A guard of another version is not valid, even in the boot that made it."""
        self.replace()
        about = self.ours().sets["about"].elements
        for key in [key for key, element in about.items() if element.comment == FORMAT]:
            del about[key]
        self.assertFalse(self.table.isGuarding(self.doors))

    def test_noRules(self) -> None:
        """A guard whose rules somebody removed is not valid."""
        self.replace()
        self.ours().rules.clear()
        self.assertFalse(self.table.isGuarding(self.doors))


class BeforeTests(GuardTableTestCase):
    """
    Tests of L{GuardTable.readPredecessor}.
    """

    def before(self, *doors: Door) -> dict[str, float]:
        """Return the sources of the openings that a later daemon takes over, with their ends."""
        found = self.daemon().readPredecessor(doors or self.doors, True).openings
        return {str(opening.source): opening.deadline for opening in found}

    def test_nothing(self) -> None:
        """Without a table, there is nothing."""
        self.assertFalse(self.table.readPredecessor(self.doors, True).isThere)

    def test_openings(self) -> None:
        """Openings are found with their principals, and so are the protected ports."""
        who = Principal("anna@laptop", "SHA256:abc")
        openings = [
            Opening(makeDoor(ports="22,51820/udp"), ip_address(source), 1042.0, who)
            for source in ("203.0.113.9", "2001:db8::7")
        ]
        self.doors = (makeDoor(ports="22,51820/udp"),)
        self.replace(*openings)
        predecessor = self.daemon().readPredecessor(self.doors, True)
        self.assertEqual(
            (True, False, None), (predecessor.isThere, predecessor.isStrange, predecessor.living)
        )
        self.assertEqual(openings, predecessor.openings)
        self.assertEqual(list(parsePortRanges("22,51820/udp")), list(predecessor.protected))

    def test_ranges(self) -> None:
        """Ports of any kind are found: adjacent ones, the first and the last."""
        for ports in ("1", "1-65535", "22-23,25,65535", "65534-65535/udp,1/udp,22"):
            doors = (makeDoor((3, 5, 7, 9, 11), ports=ports),)
            self.replace(doors=doors)
            found = self.daemon().readPredecessor(doors, True).protected
            self.assertEqual(parsePortRanges(ports), tuple(sorted(found)))

    def test_time(self) -> None:
        """Nobody gets time back, whatever a table says that was saved and loaded again."""
        self.replace(makeOpening(deadline=1030.0))
        ((key, element),) = self.tables.living(TABLE, "openings4").items()
        self.ours().sets["openings4"].elements[key] = element._replace(end=9_000_000.0)
        self.assertEqual({"203.0.113.9": 1030.0}, self.before())
        self.clock.advance(40)
        self.assertEqual({}, self.before())

    def test_capped(self) -> None:
        """No opening keeps more than the door allows now."""
        self.replace(makeOpening(deadline=1600.0))
        self.assertEqual({"203.0.113.9": 1060.0}, self.before(makeDoor(maxOpenFor=60.0)))

    def test_otherPorts(self) -> None:
        """A door with other ports has no openings."""
        self.replace(makeOpening(deadline=1030.0))
        for ports in ("22,80", "80", "22/udp", "22-23"):
            self.assertEqual({}, self.before(makeDoor(ports=ports)), ports)

    def test_old(self) -> None:
        """
        A table of the previous version is read through libnftables; a strange one is recognized.
        """
        self.tables.tables[TABLE] = FakeTable(1)
        listing = (
            '{"nftables": [{"set": {"name": "protected", "elem": [{"concat": ["tcp", 22]}]}}]}'
        )
        for text, isStrange in ((listing, False), ("", True), ("[]", True), ("{}", True)):
            table = self.daemon()
            self.library.listings[f"table inet {TABLE}"] = text
            predecessor = table.readPredecessor(self.doors, True)
            self.assertEqual((True, isStrange), (predecessor.isThere, predecessor.isStrange), text)

    def test_refused(self) -> None:
        """If the kernel refuses to show the table, that is an error, not an empty table."""
        self.library.kernel.refusing = errorFor(errno.EPERM)
        self.assertRaises(NotPermitted, self.table.readPredecessor, self.doors, True)


class ElementTests(GuardTableTestCase):
    """
    Tests of single openings, and of questions about the table.
    """

    def setUp(self) -> None:
        """Put the guard in place."""
        super().setUp()
        self.replace()
        self.steps()

    def test_add(self) -> None:
        """Opening takes one step, and so does another deadline, later or earlier."""
        for deadline in (1030.0, 1090.0, 1005.5):
            self.table.add(makeOpening(deadline=deadline))
            expected = {"203.0.113.9": deadline - 1000}
            self.assertEqual(expected, self.tables.sources("tcp_open4"))
        self.assertEqual([f"add {TABLE} tcp_open4 1"] * 3, self.steps())

    def test_first(self) -> None:
        """The first opening for a source takes one step, in which nothing is deleted."""
        self.table.addFirst(makeOpening(deadline=1030.0))
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("tcp_open4"))
        self.assertEqual([f"add {TABLE} tcp_open4 1"], self.steps())

    def test_firstIsThere(self) -> None:
        """If elements are there that nobody knows of, they get the new deadline."""
        for before, deadline in ((1030.0, 1090.0), (1090.0, 1005.5)):
            self.table.add(makeOpening(deadline=before))
            self.table.addFirst(makeOpening(deadline=deadline))
            self.assertEqual({"203.0.113.9": deadline - 1000}, self.tables.sources("tcp_open4"))

    def test_milliseconds(self) -> None:
        """The time is rounded to milliseconds, and at least one: 0 would mean for ever."""
        for left, expected in ((1.2346, 1.235), (0.0001, 0.001), (0.0, 0.001), (-5.0, 0.001)):
            self.table.add(makeOpening(deadline=1000.0 + left))
            self.assertEqual({"203.0.113.9": expected}, self.tables.sources("tcp_open4"))

    def test_ends(self) -> None:
        """The kernel ends an opening, whatever happens to the daemon."""
        self.table.add(makeOpening("2001:db8::7", 1030.0))
        self.clock.advance(30)
        self.assertEqual({}, self.tables.sources("tcp_open6"))

    def test_remove(self) -> None:
        """Removing an opening affects only its source, and succeeds even if it is not there."""
        for source in ("203.0.113.9", "203.0.113.10"):
            self.table.add(makeOpening(source, 1030.0))
        for _ in range(2):
            self.table.remove([makeOpening("203.0.113.9")])
        self.assertEqual({"203.0.113.10": 30.0}, self.tables.sources("tcp_open4"))

    def test_gone(self) -> None:
        """
        If the guard is gone, closing succeeds, and opening fails with an error of its own kind.
        """
        del self.tables.tables[TABLE]
        self.table.remove([makeOpening()])
        self.assertRaises(GuardGone, self.table.add, makeOpening(deadline=1030.0))

    def test_refused(self) -> None:
        """Any other refusal to close is an error, so the daemon tries again."""
        self.failAt(0)
        self.assertRaises(FirewallError, self.table.remove, [makeOpening()])

    def test_counts(self) -> None:
        """Openings of all doors are counted."""
        self.assertEqual(0, self.table.countOpenings())
        self.replace(
            *(makeOpening(f"203.0.113.{n}", 1030.0) for n in (1, 2)),
            makeOpening("2001:db8::7", 1030.0),
        )
        self.tables.put("sessions4", TCP, 5000)
        self.assertEqual(3, self.table.countOpenings())

    def test_counted(self) -> None:
        """The counters are read; there are none if the kernel refuses."""
        self.assertEqual({"KnocksDropped": 0}, self.table.readCounts())
        self.ours().counters["KnocksDropped"] = 1 << 40
        self.assertEqual({"KnocksDropped": 1 << 40}, self.table.readCounts())
        self.library.kernel.refusing = errorFor(errno.EPERM)
        self.assertEqual({}, self.table.readCounts())

    def test_openKeys(self) -> None:
        """Openings are listed by set and key."""
        self.table.add(makeOpening(deadline=1030.0))
        self.table.add(makeOpening("2001:db8::7", 1030.0))
        port = (22).to_bytes(2) + bytes(2)
        lookups = {
            ("tcp_open4", ip_address("203.0.113.9").packed + port),
            ("tcp_open6", ip_address("2001:db8::7").packed + port),
        }
        openings = {openingKey(makeOpening(source)) for source in ("203.0.113.9", "2001:db8::7")}
        expected = lookups | openings
        names = listOpeningSets(self.doors)
        found = {(name, key) for name in names for key in self.table.listKeys(name)}
        self.assertEqual(expected, found)

    def test_fingerprint(self) -> None:
        """
        The fingerprint changes with the table, a rule, or the sets that lead to the rules; not with
        openings.
        """
        before = self.table.readFingerprint()
        self.table.add(makeOpening(deadline=1030.0))
        self.tables.put("sessions4", TCP, 5000)
        self.assertEqual(before, self.table.readFingerprint())
        changes: list[Any] = [
            lambda there: there.rules.pop(),
            lambda there: there.rules.append((0, "let_in", "accept")),
            lambda there: there.sets["tcp_ports"].elements.clear(),
            lambda there: there.sets["tcp_doors"].elements.clear(),
            lambda there: setattr(there, "handle", 77),
        ]
        for number, change in enumerate(changes):
            change(self.ours())
            now = self.table.readFingerprint()
            self.assertNotEqual(before, now, number)
            before = now

    def test_judge(self) -> None:
        """
        Checking a guard changes nothing, and uses another name: the table may be of another
        version.
        """
        self.table.judge(Guard(self.doors))
        (commands,) = self.library.judged
        self.assertTrue(commands.startswith(f"add table inet {HANDOVER}\n"))
        self.assertEqual([], self.steps())

    def test_delete(self) -> None:
        """A table is deleted if it exists."""
        self.assertIs(True, self.table.delete(TABLE))
        self.assertIs(False, self.table.delete(TABLE))

    def test_close(self) -> None:
        """Closing leaves the table in the kernel."""
        self.table.close()
        self.assertTrue(self.ours().guards())
