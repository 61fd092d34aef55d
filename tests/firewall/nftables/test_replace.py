"""Tests of L{pkdoors.firewall.nftables._replacing}: a guard that is changed in place."""

import errno
from ipaddress import ip_address

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import TABLE, DirectWay, Guard
from pkdoors.firewall.netlink.kernel import errorFor
from pkdoors.firewall.netlink.messages import OWNED
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host.bootid import UNKNOWN
from pkdoors.model.doors import Opening
from pkdoors.model.principal import Principal
from tests.fakes.doors import flow, makeDoor, makeOpening
from tests.fakes.tables import OUR_PORT, FakeTable
from tests.firewall.nftables.tablecase import NEXT, TCP, VPN, GuardTableTestCase


class ReplaceTests(GuardTableTestCase):
    """
    Tests of L{GuardTable.replace}.
    """

    def test_first(self) -> None:
        """
        If there is no table, it is made; the guard comes first, in a transaction of its own.
        """
        self.replace(makeOpening(deadline=1030.0))
        expected = [f"take {TABLE} 0", f"run {TABLE}", f"add {TABLE} tcp_ports 1"]
        self.assertEqual(expected, self.steps()[:3])
        self.assertTrue(self.ours().guards())
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("tcp_open4"))

    def test_inPlace(self) -> None:
        """
        The guard is changed in place: the table and its hooks stay, and so do the elements of its
        sets.
        """
        self.replace(makeOpening(deadline=1030.0))
        self.tables.put("sessions4", TCP, 5000)
        handle = self.ours().handle
        self.steps()
        doors = (*self.doors, makeDoor(NEXT, "443", name="web"))
        self.replace(makeOpening(deadline=1030.0), doors=doors)
        expected = [f"take {TABLE} 0", f"run {TABLE}", f"add {TABLE} tcp_ports 1"]
        self.assertEqual(expected, self.steps()[:3])
        self.assertEqual(handle, self.ours().handle)
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("tcp_open4"))
        self.assertEqual({TCP: 5000.0}, self.tables.flows("sessions4"))

    def test_doorGoes(self) -> None:
        """What only one door needs goes with it."""
        self.replace()
        before = self.ours()
        web = makeDoor(NEXT, "443,53/udp", name="web", knockRate=500)
        once = makeDoor((*NEXT, 6), "444", name="once", once=True)
        self.replace(doors=(*self.doors, web, once))
        self.replace(doors=self.doors[:1])
        there = self.ours()
        for kind in ("sets", "chains", "counters"):
            self.assertEqual({*getattr(before, kind)}, {*getattr(there, kind)})

    def test_doorsShareAndPart(self) -> None:
        """Doors that come to share ports, and part again, change nothing else."""
        apart = (makeDoor(ports="22"), makeDoor(NEXT, "23", name="web"))
        shared = (makeDoor(ports="22-23"), makeDoor(NEXT, "23-24,53/udp", name="web"))
        for doors in (apart, shared, apart):
            self.replace(doors=doors)
            self.assertTrue(self.ours().guards())

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
            names = ("tcp_open4", "openings4") * number
            self.assertEqual([f"add {TABLE} {name} 1" for name in names], written)

    def test_others(self) -> None:
        """An opening that is not wanted is removed."""
        self.replace(makeOpening(deadline=1030.0), makeOpening("203.0.113.10", 1030.0))
        self.steps()
        self.replace(makeOpening(deadline=1030.0))
        self.assertIn(f"remove {TABLE} tcp_open4 1", self.steps())
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("tcp_open4"))

    def test_otherPrincipal(self) -> None:
        """If the principal of an opening changes, the opening is written."""
        self.replace(makeOpening(deadline=1030.0))
        opening = Opening(makeDoor(), ip_address("203.0.113.9"), 1030.0, Principal("anna"))
        self.replace(opening)
        (entry,) = self.tables.living(TABLE, "openings4").values()
        self.assertEqual("until=1530 anna", entry.comment)

    def test_portions(self) -> None:
        """Many openings are written in portions of 200."""
        openings = [makeOpening(f"10.1.{n // 250}.{n % 250}", 1030.0) for n in range(450)]
        self.replace(*openings)
        names = ("tcp_open4", "openings4")
        portions = [f"{name} {number}" for name in names for number in (200, 200, 50)]
        written = [step for step in self.steps() if "open" in step]
        self.assertEqual([f"add {TABLE} {portion}" for portion in portions], written)
        self.replace()
        expected = [f"remove {TABLE} {portion}" for portion in portions]
        self.assertEqual(expected, [step for step in self.steps() if step.startswith("remove")])
        self.assertEqual({}, self.tables.sources("tcp_open4"))

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
        self.tables.put("udpidle4_100000ms_43200000ms", VPN, 90)
        for idle, left in ((200.0, 90.0), (50.0, 50.0)):
            self.replace(doors=(makeDoor(ports="51820/udp", udpIdle=idle),))
            name = f"udpidle4_{round(1000 * idle)}ms_43200000ms"
            self.assertEqual({VPN: left}, self.tables.flows(name))
            self.assertEqual(1000 * idle, self.ours().sets[name].timeout)

    def test_retimedInAnotherBoot(self) -> None:
        """Flows of another boot, in a table loaded from a saved ruleset, are forgotten."""
        self.replace(doors=(makeDoor(ports="51820/udp", udpIdle=100.0),))
        self.tables.put("udpidle4_100000ms_43200000ms", VPN, 90)
        self.boot = "another"
        self.table = self.daemon(self.isOwner)
        self.replace(doors=(makeDoor(ports="51820/udp", udpIdle=200.0),))
        self.assertEqual({}, self.tables.flows("udpidle4_200000ms_43200000ms"))

    def test_manyWays(self) -> None:
        """In the end all ways past the ports are guarded, however many, and no earlier ones."""
        for count, leading in ((800, False), (505, True), (0, True)):
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
        self.assertEqual({}, self.tables.sources("tcp_open4"))

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
        self.assertEqual({}, self.tables.sources("tcp_open4"))
        self.assertEqual({}, self.tables.flows("sessions4"))

    def test_loadedAgain(self) -> None:
        """A table that was saved and loaded again in the same boot is another one."""
        self.replace(makeOpening(deadline=1030.0))
        self.ours().handle = 4242
        self.assertEqual([], self.table.readPredecessor(self.doors, True).openings)
        self.replace()
        self.assertEqual({}, self.tables.sources("tcp_open4"))

    def test_refused(self) -> None:
        """If the kernel refuses any step, that is an error, and a guard is still in place."""
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
    The same tests with an owned table.
    """

    isOwner = True

    def steps(self) -> list[str]:
        """Return the transactions with the flags of a table that nobody owns."""
        return [step.replace(" 6", " 0") for step in super().steps()]

    def daemon(self, isOwner: bool = False) -> GuardTable:
        """Make a daemon's table, which is owned from the beginning."""
        return super().daemon(True)

    def test_owner(self) -> None:
        """Nobody else can change the table."""
        self.replace()
        self.assertEqual((OWNED, OUR_PORT), (self.ours().flags, self.ours().owner))
