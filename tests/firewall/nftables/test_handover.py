"""Tests of L{pkdoors.firewall.nftables._replacing}: a second guard that guards during a change."""

import contextlib
import errno

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.firewall.netlink.kernel import errorFor
from pkdoors.firewall.netlink.messages import OWNED
from pkdoors.model.ports import parsePortRanges
from tests.fakes.doors import flow, makeDoor, makeOpening
from tests.firewall.nftables.tablecase import TCP, GuardTableTestCase

ADDED = (
    "tcp_ports 1",
    "tcp_doors 1",
    "tcp_doors_dnat 1",
    "knocks 5",
    "KnockLimits 5",
    "tcp_open4 1",
    "openings4 1",
)
"""The sets of a guard with one door and one opening, in the order in which they are written."""


class HandOverTests(GuardTableTestCase):
    """
    Tests of replacing a table that cannot be changed in place.
    """

    def setUp(self) -> None:
        """Put a guard with an opening and a session in place."""
        super().setUp()
        self.replace(makeOpening(deadline=1030.0))
        self.tables.put("sessions4", TCP, 5000)

    def otherVersion(self) -> None:
        """Make the guard look like one of another version: remove all its notes."""
        self.ours().sets["about"].elements.clear()
        self.tables.steps, self.tables.guarding = [], []

    def test_otherVersion(self) -> None:
        """
        A second guard is in place before the old one goes, and goes when the new one is in place;
        both have the openings.
        """
        self.otherVersion()
        self.replace(makeOpening(deadline=1030.0))
        self.assertEqual(
            [
                f"take {HANDOVER} 0",
                f"run {HANDOVER}",
                *(f"add {HANDOVER} {name}" for name in ADDED),
                f"delete {TABLE}",
                f"take {TABLE} 0",
                f"run {TABLE}",
                *(f"add {TABLE} {name}" for name in ADDED),
                f"add {TABLE} complete 2",
                f"delete {HANDOVER}",
            ],
            self.tables.steps,
        )
        self.assertEqual([], [step for step in self.tables.guarding if not step])
        self.assertEqual([TABLE], list(self.tables.tables))

    def test_otherOwner(self) -> None:
        """The same happens if the table must be owned from now on, or no longer; flows go on."""
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
        The same happens if the kernel refuses to change the table: for example, a set is of another
        kind.
        """
        self.ours().sets["grace4"].definition = "type inet_proto;"
        self.tables.guarding = []
        self.replace(makeOpening(deadline=1030.0))
        self.assertEqual([], [step for step in self.tables.guarding if not step])
        self.assertIn("cannot be changed in place (nftables refused: ", self.log.lines()[-1])
        self.assertEqual({TCP: 5000.0}, self.tables.flows("sessions4"))

    def test_notPermitted(self) -> None:
        """If we may not change the table, or it has just disappeared, nothing else is tried."""
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
        for number in range(20):
            self.otherVersion()
            self.failAt(number)
            self.assertRaises(FirewallError, self.replace, makeOpening(deadline=1030.0))
            self.tables.failing = lambda step: None
            guards = [name for name, table in self.tables.tables.items() if table.guards()]
            self.assertTrue(guards, number)
            for name in guards:
                there = self.tables.sources("tcp_open4", name)
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
    Tests of replacing a guard in place if its ports move to other ranges: for a moment the kernel
    may find none of these, so another guard is in place meanwhile.
    """

    narrow = (makeDoor(ports="22-23"),)
    wider = (makeDoor(ports="22-24"),)

    def setUp(self) -> None:
        """Put a guard in place, with a session and another connection that must be spared."""
        super().setUp()
        # An opening of a door with other ports does not count; one that was granted since does.
        self.opening = makeOpening(deadline=1030.0, ports="22-24")
        self.replace(makeOpening(deadline=1030.0, ports="22-23"), doors=self.narrow)
        self.tables.put("sessions4", TCP, 5000)
        self.tables.steps, self.tables.guarding = [], []
        self.other = flow(sourcePort=7).key

    def widen(self) -> None:
        """Move the ports to other ranges."""
        self.replace(self.opening, flows={"sessions4": {self.other: 1060.0}}, doors=self.wider)

    def test_reshaped(self) -> None:
        """
        The other guard is in place while ranges change, with all openings and sessions; then it
        goes.
        """
        handle = self.ours().handle
        seen: list[tuple[bool, dict[str, float], dict[bytes, float]]] = []

        def look(step: str) -> None:
            if step == f"run {TABLE}":
                there = self.tables.tables[HANDOVER]
                open_ = self.tables.sources("tcp_open4", HANDOVER)
                seen.append((there.guards(), open_, self.tables.flows("sessions4", HANDOVER)))

        self.tables.failing = look
        self.widen()
        sessions = {TCP: 5000.0, self.other: 60.0}
        self.assertEqual([(True, {"203.0.113.9": 30.0}, sessions)], seen)
        self.assertEqual(sessions, self.tables.flows("sessions4"))
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("tcp_open4"))
        self.assertEqual(([TABLE], handle), (list(self.tables.tables), self.ours().handle))
        self.assertNotIn(f"delete {TABLE}", self.tables.steps)

    def test_failures(self) -> None:
        """
        Whatever step fails, a guard is in place, and each guard lets in clients with an opening.
        """
        for number in range(30):
            self.failAt(number)
            with contextlib.suppress(FirewallError):
                self.widen()
            self.tables.failing = lambda step: None
            guards = [name for name, table in self.tables.tables.items() if table.guards()]
            self.assertTrue(guards, number)
            for name in guards:
                self.assertIn("203.0.113.9", self.tables.sources("tcp_open4", name), number)
            self.replace(makeOpening(deadline=1030.0, ports="22-23"), doors=self.narrow)
            self.assertEqual([TABLE], list(self.tables.tables))

    def test_same(self) -> None:
        """Ports and ranges that come, go or stay need no other guard."""
        self.replace(doors=(makeDoor(),))
        self.tables.steps.clear()
        for ports in ("22,80", "22", "22,80-90", "80-90", "22-23", "22"):
            self.replace(doors=(makeDoor(ports=ports),))
        self.assertFalse([step for step in self.tables.steps if HANDOVER in step])
