"""Tests of L{pkdoors.firewall.nftables.table}."""

import contextlib
import errno
from ipaddress import ip_address
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import FIRST_WAYS, HANDOVER, TABLE, DirectWay, Guard
from pkdoors.firewall.guard.sets import FORMAT
from pkdoors.firewall.netlink.kernel import GuardGone, NotPermitted, errorFor
from pkdoors.firewall.netlink.messages import OWNED
from pkdoors.firewall.nftables import _reader
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host.bootid import UNKNOWN
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.principal import Principal
from tests.fakes.doors import flow, makeDoor, makeOpening
from tests.fakes.log import Log
from tests.fakes.nftables import FakeLibrary
from tests.fakes.tables import OUR_PORT, FakeTable, FakeTables

BOOT = "11111111222233334444555555555555"
TCP = flow().key
VPN = flow(port=51820, protocol="udp").key
NEXT = (1, 2, 3, 4, 5)
"""The sequence of a second door."""


class GuardTableTestCase(SynchronousTestCase):
    """
    A table of the guard in a fake kernel.
    """

    isOwner = False

    def setUp(self) -> None:
        """Make an empty kernel, and one door."""
        self.log = Log(self)
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.boot = BOOT
        self.patch(_reader, "readBootId", lambda: self.boot)
        self.bootOffset = 500.0
        self.tables = FakeTables(self.clock)
        self.doors: tuple[Door, ...] = (makeDoor(),)
        self.table = self.daemon(self.isOwner)

    def daemon(self, isOwner: bool = False) -> GuardTable:
        """Make a daemon's table."""
        self.library = FakeLibrary(self.tables, isOwner)
        return GuardTable(
            self.library,
            isOwner,
            self.clock.seconds,
            lambda: self.clock.seconds() + self.bootOffset,
        )

    def replace(
        self, *openings: Opening, flows: Books | None = None, doors: tuple[Door, ...] | None = None
    ) -> None:
        """Put the guard of the doors in place."""
        self.doors = self.doors if doors is None else doors
        self.table.replace(Guard(self.doors), openings, flows or {})

    def steps(self) -> list[str]:
        """Return the transactions since the last call."""
        steps, self.tables.steps = self.tables.steps, []
        return steps

    def ours(self) -> FakeTable:
        """Return our table in the kernel."""
        return self.tables.tables[TABLE]

    def failAt(self, number: int, error: FirewallError | None = None) -> None:
        """From now on let the step of this number, from 0, fail, and all after it succeed."""
        count = iter(range(1000))

        def check(step: str) -> None:
            if next(count) == number:
                raise error or errorFor(errno.EIO)

        self.tables.failing = check


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
        """A guard of another boot is not."""
        self.replace()
        self.boot = "another"
        self.assertFalse(self.daemon().isGuarding(self.doors))

    def test_otherVersion(self) -> None:
        """Nor is one of another version, even if it is of this boot."""
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


class ReplaceTests(GuardTableTestCase):
    """
    Tests of L{GuardTable.replace}.
    """

    def test_first(self) -> None:
        """
        If there is nothing, the table is made, and the guard comes first, alone, in one
        transaction.
        """
        self.replace(makeOpening(deadline=1030.0))
        expected = [f"take {TABLE} 0", f"run {TABLE}", f"add {TABLE} default_open4 1"]
        self.assertEqual(expected, self.steps())
        self.assertTrue(self.ours().guards())
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("default_open4"))

    def test_inPlace(self) -> None:
        """
        It is changed in place: the table and its hooks stay, and so do the elements of its sets.
        """
        self.replace(makeOpening(deadline=1030.0))
        self.tables.put("sessions4", TCP, 5000)
        handle = self.ours().handle
        self.steps()
        doors = (*self.doors, makeDoor(NEXT, "443", name="web"))
        self.replace(makeOpening(deadline=1030.0), doors=doors)
        self.assertEqual([f"take {TABLE} 0", f"run {TABLE}"], self.steps())
        self.assertEqual(handle, self.ours().handle)
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("default_open4"))
        self.assertEqual({TCP: 5000.0}, self.tables.flows("sessions4"))

    def test_doorGoes(self) -> None:
        """The sets of a door go with it."""
        web = makeDoor(NEXT, "443", name="web")
        self.replace(doors=(*self.doors, web))
        self.replace(doors=self.doors[:1])
        there = self.ours()
        left = [*there.sets, *there.chains, *there.counters]
        self.assertEqual([], [name for name in left if name.startswith("web")])

    def test_doorsShareAndPart(self) -> None:
        """Doors that come to share ports, and part again, change nothing else."""
        apart = (makeDoor(ports="22"), makeDoor(NEXT, "23", name="web"))
        shared = (makeDoor(ports="22-23"), makeDoor(NEXT, "23-24,53/udp", name="web"))
        for doors in (apart, shared, apart):
            self.replace(doors=doors)
            self.assertTrue(self.ours().guards())
        self.assertNotIn("Doors1_tcp", self.ours().chains)

    def test_onlyDifferences(self) -> None:
        """An existing opening is not written again, even if its end is a little off."""
        for milliseconds, number in ((0, 0), (900, 0), (2000, 1)):
            self.replace(makeOpening(deadline=1030.0), makeOpening("2001:db8::7", 1030.0))
            self.steps()
            self.replace(
                makeOpening(deadline=1030.0 + milliseconds / 1000),
                makeOpening("2001:db8::7", 1030.0),
            )
            written = [step for step in self.steps() if step.startswith(("add", "remove"))]
            self.assertEqual([f"add {TABLE} default_open4 1"] * number, written)

    def test_others(self) -> None:
        """An opening that is not wanted is removed."""
        self.replace(makeOpening(deadline=1030.0), makeOpening("203.0.113.10", 1030.0))
        self.steps()
        self.replace(makeOpening(deadline=1030.0))
        self.assertIn(f"remove {TABLE} default_open4 1", self.steps())
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("default_open4"))

    def test_otherPrincipal(self) -> None:
        """If the principal of an opening changes, the opening is written."""
        self.replace(makeOpening(deadline=1030.0))
        opening = Opening(makeDoor(), ip_address("203.0.113.9"), 1030.0, Principal("anna"))
        self.replace(opening)
        (entry,) = self.tables.living(TABLE, "default_open4").values()
        self.assertEqual("until=1530 anna", entry.comment)

    def test_portions(self) -> None:
        """Many openings are written in portions of 200."""
        openings = [makeOpening(f"10.1.{n // 250}.{n % 250}", 1030.0) for n in range(450)]
        self.replace(*openings)
        expected = [f"add {TABLE} default_open4 {number}" for number in (200, 200, 50)]
        self.assertEqual(expected, self.steps()[2:])
        self.replace()
        expected = [f"remove {TABLE} default_open4 {number}" for number in (200, 200, 50)]
        self.assertEqual(expected, [step for step in self.steps() if step.startswith("remove")])
        self.assertEqual({}, self.tables.sources("default_open4"))

    def test_flows(self) -> None:
        """
        Flows are remembered for the time that they have left, but at most for the set's timeout.
        """
        keys = [flow(sourcePort=port).key for port in (1, 2, 3)]
        deadlines = (1100.0, 1000.0, 1e9)
        self.replace(flows={"sessions4": dict(zip(keys, deadlines, strict=True)), "no_udp4": {}})
        self.assertEqual({keys[0]: 100.0, keys[2]: 5 * 24 * 3600.0}, self.tables.flows("sessions4"))

    def test_flowsKeepTheirTime(self) -> None:
        """A flow that the kernel remembers keeps the time that it has there."""
        self.replace()
        self.tables.put("sessions4", TCP, 5000)
        self.replace(flows={"sessions4": {TCP: 1001.0}})
        self.assertEqual({TCP: 5000.0}, self.tables.flows("sessions4"))

    def test_full(self) -> None:
        """If their set is full, flows are not remembered, but the guard is in place."""

        def check(step: str) -> None:
            if step.startswith(f"add {TABLE} sessions4"):
                raise errorFor(errno.ENFILE)

        self.tables.failing = check
        self.replace(flows={"sessions4": {TCP: 2000.0}, "spared4": {TCP: 2000.0}})
        self.assertEqual({}, self.tables.flows("sessions4"))
        self.assertEqual({TCP: 1000.0}, self.tables.flows("spared4"))

    def test_cut(self) -> None:
        """A door that cuts from now on loses its sessions; no other door does."""
        web = makeDoor(NEXT, "443", name="web")
        self.replace(doors=(*self.doors, web))
        kept = flow(port=443).key
        six = flow("2001:db8::7").key
        for key in (TCP, kept):
            self.tables.put("sessions4", key, 5000)
        self.tables.put("sessions6", six, 5000)
        self.replace(doors=(makeDoor(cutSessions=True), web))
        self.assertEqual({kept: 5000.0}, self.tables.flows("sessions4"))
        self.assertEqual({}, self.tables.flows("sessions6"))

    def test_retimed(self) -> None:
        """If the timeout of a set changes, its flows go on, for at most the new time."""
        self.replace(doors=(makeDoor(ports="51820/udp", udpIdle=100.0),))
        self.tables.put("default_udp4", VPN, 90)
        for idle, left in ((200.0, 90.0), (50.0, 50.0)):
            self.replace(doors=(makeDoor(ports="51820/udp", udpIdle=idle),))
            self.assertEqual({VPN: left}, self.tables.flows("default_udp4"))
            self.assertEqual(1000 * idle, self.ours().sets["default_udp4"].timeout)

    def test_retimedInAnotherBoot(self) -> None:
        """The flows of another boot, in a table that was loaded from a saved ruleset, do not."""
        self.replace(doors=(makeDoor(ports="51820/udp", udpIdle=100.0),))
        self.tables.put("default_udp4", VPN, 90)
        self.boot = "another"
        self.table = self.daemon(self.isOwner)
        self.replace(doors=(makeDoor(ports="51820/udp", udpIdle=200.0),))
        self.assertEqual({}, self.tables.flows("default_udp4"))

    def test_manyWays(self) -> None:
        """In the end all ways past the ports are guarded, however many, and later no others."""
        for count, leading in ((FIRST_WAYS + 300, False), (FIRST_WAYS + 5, True), (0, True)):
            ways = (
                DirectWay(ip_address("10.0.0.7"), "tcp", port, 22) for port in range(1, count + 1)
            )
            guard = Guard(self.doors, direct=tuple(ways))
            if leading:
                self.table.writeWays(guard)
            else:
                self.table.replace(guard, (), {})
            for name in ("direct4", "inside4"):
                self.assertEqual(count, len(self.tables.living(TABLE, name)))
            self.steps()
            self.table.writeWays(guard)
            self.assertEqual([], self.steps())

    def test_otherPorts(self) -> None:
        """A door whose ports have changed has no opening that was granted for the earlier ports."""
        self.replace(makeOpening(deadline=1030.0))
        self.replace(doors=(makeDoor(ports="23"),))
        self.assertEqual({}, self.tables.sources("default_open4"))

    def test_unknownBoot(self) -> None:
        """If the boot is unknown, the table guards, but takes over nothing."""
        self.boot = UNKNOWN
        self.table = self.daemon()
        self.replace(makeOpening(deadline=1030.0))
        self.assertTrue(self.ours().guards())
        self.assertEqual([], self.daemon().readPredecessor(self.doors, True).openings)

    def test_otherBoot(self) -> None:
        """A table of another boot guards, but nothing else in it counts."""
        self.replace(makeOpening(deadline=1030.0))
        self.tables.put("sessions4", TCP, 5000)
        self.boot = "another"
        self.table = self.daemon()
        self.assertEqual([], self.table.readPredecessor(self.doors, True).openings)
        self.replace()
        self.assertEqual({}, self.tables.sources("default_open4"))
        self.assertEqual({}, self.tables.flows("sessions4"))

    def test_loadedAgain(self) -> None:
        """A table that was saved and loaded again in the same boot is another one."""
        self.replace(makeOpening(deadline=1030.0))
        self.ours().handle = 4242
        self.assertEqual([], self.table.readPredecessor(self.doors, True).openings)
        self.replace()
        self.assertEqual({}, self.tables.sources("default_open4"))

    def test_refused(self) -> None:
        """A refusal of the kernel's at any step is an error, and the guard is as it was."""
        self.replace(makeOpening(deadline=1030.0))
        for number in range(20):
            self.failAt(number)
            doors = (makeDoor(), makeDoor(NEXT, "443", name="web"))
            try:
                self.replace(makeOpening("203.0.113.10", 1030.0), doors=doors)
            except FirewallError:
                continue
            finally:
                guards = [name for name, table in self.tables.tables.items() if table.guards()]
                self.assertTrue(guards, number)
                self.tables.failing = lambda step: None
                self.replace(makeOpening(deadline=1030.0), doors=(makeDoor(),))

    def test_notOurs(self) -> None:
        """A table that another process owns is left alone."""
        self.tables.tables[TABLE] = FakeTable(1, OWNED, OUR_PORT + 1)
        error = self.assertRaises(FirewallError, self.replace)
        self.assertIn("another process owns the table inet pkdoors", str(error))
        self.assertEqual([], self.tables.steps)


class OwnedReplaceTests(ReplaceTests):
    """
    The same with an owned table.
    """

    isOwner = True

    def steps(self) -> list[str]:
        """The flags of the table differ; nothing else does."""
        return [step.replace(" 6", " 0") for step in super().steps()]

    def daemon(self, isOwner: bool = False) -> GuardTable:
        """The table is owned from the beginning."""
        return super().daemon(True)

    def test_owner(self) -> None:
        """Nobody else can change the table."""
        self.replace()
        self.assertEqual((OWNED, OUR_PORT), (self.ours().flags, self.ours().owner))


class HandOverTests(GuardTableTestCase):
    """
    Replacing a table that cannot be changed in place.
    """

    def setUp(self) -> None:
        """Have a guard of another version, with an opening."""
        super().setUp()
        self.replace(makeOpening(deadline=1030.0))
        self.tables.put("sessions4", TCP, 5000)

    def otherVersion(self) -> None:
        """Make it another version's: remove all its notes."""
        self.ours().sets["about"].elements.clear()
        self.tables.steps, self.tables.guarding = [], []

    def test_otherVersion(self) -> None:
        """
        The new guard is put beside the old one before that goes, and goes when the new one is in
        its place; both have the openings.
        """
        self.otherVersion()
        self.replace(makeOpening(deadline=1030.0))
        self.assertEqual(
            [
                f"take {HANDOVER} 0",
                f"run {HANDOVER}",
                f"add {HANDOVER} default_open4 1",
                f"delete {TABLE}",
                f"take {TABLE} 0",
                f"run {TABLE}",
                f"add {TABLE} default_open4 1",
                f"delete {HANDOVER}",
            ],
            self.tables.steps,
        )
        self.assertEqual([], [step for step in self.tables.guarding if not step])
        self.assertEqual([TABLE], list(self.tables.tables))

    def test_otherOwner(self) -> None:
        """So it is if the table must be owned from now on, or not any more; flows go on."""
        for isOwner in (True, False):
            self.table = self.daemon(isOwner)
            self.tables.steps, self.tables.guarding = [], []
            self.replace(makeOpening(deadline=1030.0))
            self.assertIn(f"delete {TABLE}", self.tables.steps)
            self.assertEqual([], [step for step in self.tables.guarding if not step])
            self.assertEqual({TCP: 5000.0}, self.tables.flows("sessions4"))
            self.assertEqual(OWNED if isOwner else 0, self.ours().flags)

    def test_cannotBeChanged(self) -> None:
        """
        So it is if the kernel refuses to change the table: for example, a set is of another kind.
        """
        self.ours().sets["grace4"].definition = "type inet_proto;"
        self.tables.guarding = []
        self.replace(makeOpening(deadline=1030.0))
        self.assertEqual([], [step for step in self.tables.guarding if not step])
        self.assertIn("cannot be changed in place (nftables refused: ", self.log.lines()[-1])
        self.assertEqual({TCP: 5000.0}, self.tables.flows("sessions4"))

    def test_notPermitted(self) -> None:
        """If we may not change it, or it has just disappeared, nothing else is tried."""
        for error in (errorFor(errno.EPERM), errorFor(errno.ENOENT)):
            self.steps()
            self.failAt(1, error)
            raised = self.assertRaises(FirewallError, self.replace, doors=(makeDoor(ports="80"),))
            self.assertIs(error, raised)
            self.tables.failing = lambda step: None
            self.assertEqual([], [step for step in self.steps() if HANDOVER in step])

    def test_flowsBoth(self) -> None:
        """The flows that the kernel remembers go on, and so do those to be spared from now on."""
        spared = flow(sourcePort=7).key
        self.tables.put("spared4", TCP, 70)
        self.table = self.daemon(isOwner=True)
        self.replace(flows={"spared4": {spared: 1060.0}})
        self.assertEqual({TCP: 70.0, spared: 60.0}, self.tables.flows("spared4"))

    def test_newFlows(self) -> None:
        """A client that comes in during the replacement is remembered."""
        self.otherVersion()

        def check(step: str) -> None:
            if step == f"delete {TABLE}":
                self.tables.put("sessions4", TCP, 77, HANDOVER)

        self.tables.failing = check
        self.replace(makeOpening(deadline=1030.0))
        self.assertEqual({TCP: 77.0}, self.tables.flows("sessions4"))

    def test_failures(self) -> None:
        """
        Whatever step fails, a guard is in place that lets in clients with an opening; the next try
        leaves one table.
        """
        for number in range(8):
            self.otherVersion()
            self.failAt(number)
            self.assertRaises(FirewallError, self.replace, makeOpening(deadline=1030.0))
            self.tables.failing = lambda step: None
            guards = [name for name, table in self.tables.tables.items() if table.guards()]
            self.assertTrue(guards, number)
            for name in guards:
                there = self.tables.sources("default_open4", name)
                self.assertEqual({"203.0.113.9": 30.0}, there, f"step {number}, {name}")
            self.replace(makeOpening(deadline=1030.0))
            self.assertEqual([TABLE], list(self.tables.tables))

    def test_deletedButRefused(self) -> None:
        """If the old table goes although its deletion is reported as failed, the new one stays."""
        self.otherVersion()

        def check(step: str) -> None:
            if step == f"delete {TABLE}":
                self.tables.tables.pop(TABLE, None)
                raise errorFor(errno.ENOBUFS)

        self.tables.failing = check
        self.assertRaises(FirewallError, self.replace, makeOpening(deadline=1030.0))
        self.assertTrue(self.tables.tables[HANDOVER].guards())

    def test_killed(self) -> None:
        """
        A daemon that is killed while its guard has the other name leaves it to the next one, with
        the protected ports, the openings and the flows.
        """
        self.tables.tables[HANDOVER] = self.tables.tables.pop(TABLE)
        self.table = self.daemon()
        predecessor = self.table.readPredecessor(self.doors, True)
        self.assertEqual(
            (True, [*parsePortRanges("22")]), (predecessor.isThere, [*predecessor.protected])
        )
        self.assertEqual([makeOpening(deadline=1030.0)], predecessor.openings)
        self.tables.guarding = []
        self.replace(*predecessor.openings)
        self.assertEqual([], [step for step in self.tables.guarding if not step])
        self.assertEqual([TABLE], list(self.tables.tables))
        self.assertEqual({TCP: 5000.0}, self.tables.flows("sessions4"))

    def test_killedInAnotherBoot(self) -> None:
        """
        If that guard comes from a file of another boot, it guards, but nothing else in it counts.
        """
        self.tables.tables[HANDOVER] = self.tables.tables.pop(TABLE)
        self.boot = "another"
        self.table = self.daemon()
        predecessor = self.table.readPredecessor(self.doors, True)
        self.assertEqual((True, []), (predecessor.isThere, predecessor.openings))
        self.replace()
        self.assertEqual({}, self.tables.flows("sessions4"))


class ReshapeTests(GuardTableTestCase):
    """
    Replacing a guard in place if its ports move to other ranges: for a moment the kernel may find
    none of these, so another guard is in place meanwhile.
    """

    wider = (makeDoor(ports="22-23"),)

    def setUp(self) -> None:
        """Have a guard, a session, and another connection that must be spared."""
        super().setUp()
        # An opening of a door with other ports does not count; one that was granted since does.
        self.opening = makeOpening(deadline=1030.0, ports="22-23")
        self.replace(makeOpening(deadline=1030.0))
        self.tables.put("sessions4", TCP, 5000)
        self.tables.steps, self.tables.guarding = [], []
        self.other = flow(sourcePort=7).key

    def widen(self) -> None:
        """Use other ranges."""
        self.replace(self.opening, flows={"sessions4": {self.other: 1060.0}}, doors=self.wider)

    def test_reshaped(self) -> None:
        """
        The other guard is in place while ranges change, with all that may come in; then it goes.
        """
        handle = self.ours().handle
        seen: list[tuple[bool, dict[str, float], dict[bytes, float]]] = []

        def look(step: str) -> None:
            if step == f"run {TABLE}":
                there = self.tables.tables[HANDOVER]
                open_ = self.tables.sources("default_open4", HANDOVER)
                seen.append((there.guards(), open_, self.tables.flows("sessions4", HANDOVER)))

        self.tables.failing = look
        self.widen()
        sessions = {TCP: 5000.0, self.other: 60.0}
        self.assertEqual([(True, {"203.0.113.9": 30.0}, sessions)], seen)
        self.assertEqual(sessions, self.tables.flows("sessions4"))
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("default_open4"))
        self.assertEqual(([TABLE], handle), (list(self.tables.tables), self.ours().handle))
        self.assertNotIn(f"delete {TABLE}", self.tables.steps)

    def test_failures(self) -> None:
        """
        Whatever step fails, a guard is in place, and none that keeps out clients with an opening.
        """
        for number in range(12):
            self.failAt(number)
            with contextlib.suppress(FirewallError):
                self.widen()
            self.tables.failing = lambda step: None
            guards = [name for name, table in self.tables.tables.items() if table.guards()]
            self.assertTrue(guards, number)
            for name in guards:
                self.assertIn("203.0.113.9", self.tables.sources("default_open4", name), number)
            self.replace(makeOpening(deadline=1030.0), doors=(makeDoor(),))
            self.assertEqual([TABLE], list(self.tables.tables))

    def test_same(self) -> None:
        """Ports that come, go or stay need no other guard."""
        for ports in ("22,80", "22", "22,80-90"):
            self.replace(doors=(makeDoor(ports=ports),))
        self.assertFalse([step for step in self.tables.steps if HANDOVER in step])


class BeforeTests(GuardTableTestCase):
    """
    Tests of L{GuardTable.readPredecessor}.
    """

    def before(self, *doors: Door) -> dict[str, float]:
        """Return what a later daemon takes over."""
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
        (key,) = self.tables.living(TABLE, "default_open4")
        self.ours().sets["default_open4"].elements[key] = self.tables.living(
            TABLE, "default_open4"
        )[key]._replace(end=9_000_000.0)
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
        """A refusal of the kernel's is an error, not an empty table."""
        self.library.kernel.refusing = errorFor(errno.EPERM)
        self.assertRaises(NotPermitted, self.table.readPredecessor, self.doors, True)


class ElementTests(GuardTableTestCase):
    """
    Single openings, and questions about the table.
    """

    def setUp(self) -> None:
        """Have the guard in place."""
        super().setUp()
        self.replace()
        self.steps()

    def test_add(self) -> None:
        """Opening takes one step, and so does another deadline, later or earlier."""
        for deadline in (1030.0, 1090.0, 1005.5):
            self.table.add(makeOpening(deadline=deadline))
            expected = {"203.0.113.9": deadline - 1000}
            self.assertEqual(expected, self.tables.sources("default_open4"))
        self.assertEqual([f"add {TABLE} default_open4 1"] * 3, self.steps())

    def test_milliseconds(self) -> None:
        """The time is rounded to milliseconds, and at least one: 0 would mean for ever."""
        for left, expected in ((1.2346, 1.235), (0.0001, 0.001), (0.0, 0.001), (-5.0, 0.001)):
            self.table.add(makeOpening(deadline=1000.0 + left))
            self.assertEqual({"203.0.113.9": expected}, self.tables.sources("default_open4"))

    def test_ends(self) -> None:
        """The kernel ends an opening, whatever happens to the daemon."""
        self.table.add(makeOpening("2001:db8::7", 1030.0))
        self.clock.advance(30)
        self.assertEqual({}, self.tables.sources("default_open6"))

    def test_remove(self) -> None:
        """Removing an opening affects its source only, and succeeds if there is none."""
        for source in ("203.0.113.9", "203.0.113.10"):
            self.table.add(makeOpening(source, 1030.0))
        for _ in range(2):
            self.table.remove(makeOpening("203.0.113.9"))
        self.assertEqual({"203.0.113.10": 30.0}, self.tables.sources("default_open4"))

    def test_gone(self) -> None:
        """
        If the guard is gone, so is the opening; a new one fails with an error of its own kind.
        """
        del self.tables.tables[TABLE]
        self.table.remove(makeOpening())
        self.assertRaises(GuardGone, self.table.add, makeOpening(deadline=1030.0))

    def test_refused(self) -> None:
        """Any other refusal to close is an error, so the daemon tries again."""
        self.failAt(0)
        self.assertRaises(FirewallError, self.table.remove, makeOpening())

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
        """The counts of the counters are returned; none if the kernel refuses."""
        self.assertEqual({"default_dropped": 0}, self.table.readCounts())
        self.ours().counters["default_dropped"] = 1 << 40
        self.assertEqual({"default_dropped": 1 << 40}, self.table.readCounts())
        self.library.kernel.refusing = errorFor(errno.EPERM)
        self.assertEqual({}, self.table.readCounts())

    def test_openKeys(self) -> None:
        """Openings are listed by set and key."""
        self.table.add(makeOpening(deadline=1030.0))
        self.table.add(makeOpening("2001:db8::7", 1030.0))
        expected = {
            ("default_open4", ip_address("203.0.113.9").packed),
            ("default_open6", ip_address("2001:db8::7").packed),
        }
        self.assertEqual(expected, self.table.listOpenKeys(self.doors))

    def test_fingerprint(self) -> None:
        """
        The fingerprint changes with the table, a rule, or what leads to the rules; not with
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
        """Letting go leaves the table in the kernel."""
        self.table.close()
        self.assertTrue(self.ours().guards())
